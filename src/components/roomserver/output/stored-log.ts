import type { Database } from '../../../platform/database.js'
import { parseUserId, type ServerName, serverNameOf } from '../../../protocol/ids.js'
import type { MembershipChange, OutputEntry, StateChange } from '../api.js'
import type { EventCache } from '../event-cache.js'
import type { StoredEvent } from '../room-event.js'
import { membershipIn } from '../state/effects.js'
import { SELECT_LOG } from '../store/output-log.js'
import { type ChangeRow, SELECT_CHANGES_AT } from '../store/state-changes.js'

/** Entries of the log as they were handed to readers in memory, up to and including `upTo`: three statements at most. */
export async function readStoredLog(
  database: Database,
  events: EventCache,
  serverName: ServerName,
  range: { readonly after: number; readonly upTo: number; readonly limit: number },
): Promise<OutputEntry[]> {
  const rows = await database.run(SELECT_LOG, range.after, range.upTo, range.limit)
  if (rows.length === 0) return []
  const changes = await database.run(
    SELECT_CHANGES_AT,
    rows.map((row) => row.room_id),
    rows.map((row) => row.position),
  )
  const named = [
    ...rows.map((row) => row.event_nid),
    ...changes.flatMap((change) => [change.event_nid, change.replaced_nid]),
  ]
  const found = await events.byNids(named.filter((nid) => nid !== null))
  const changesAt = new Map<number, ChangeRow[]>()
  for (const change of changes) {
    const here = changesAt.get(change.position)
    if (here === undefined) changesAt.set(change.position, [change])
    else here.push(change)
  }
  return rows.map((row) => {
    const here = changesAt.get(row.position) ?? []
    return {
      position: row.position,
      roomId: row.room_id,
      event: row.event_nid === null ? undefined : found.get(row.event_nid),
      stateChanges: here.map((change) => stateChange(change, found)),
      memberships: here.flatMap((change) => membershipChange(change, found, serverName)),
      redacted: row.redacted ?? undefined,
    }
  })
}

function stateChange(change: ChangeRow, found: ReadonlyMap<number, StoredEvent>): StateChange {
  return {
    type: change.type,
    stateKey: change.state_key,
    event: change.event_nid === null ? undefined : found.get(change.event_nid),
    replaced: change.replaced_nid === null ? undefined : found.get(change.replaced_nid)?.eventId,
  }
}

function membershipChange(
  change: ChangeRow,
  found: ReadonlyMap<number, StoredEvent>,
  serverName: ServerName,
): MembershipChange[] {
  const userId = change.type === 'm.room.member' ? parseUserId(change.state_key) : undefined
  if (userId === undefined) return []
  const event = change.event_nid === null ? undefined : found.get(change.event_nid)
  const replaced = change.replaced_nid === null ? undefined : found.get(change.replaced_nid)
  const membership = event === undefined ? 'leave' : membershipIn(event.content)
  if (membership === undefined) return []
  return [
    {
      userId,
      membership,
      previous: replaced === undefined ? undefined : membershipIn(replaced.content),
      isLocal: serverNameOf(userId) === serverName,
    },
  ]
}
