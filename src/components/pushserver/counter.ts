import type { Database } from '../../platform/database.js'
import type { LoadingCache } from '../../platform/loading-cache.js'
import type { Clock } from '../../platform/time.js'
import type { UserId } from '../../protocol/ids.js'
import { getInteger, getObject } from '../../protocol/json.js'
import { EventFacts, evaluate, type PushOutcome, type RoomFacts } from '../../protocol/push-rules/index.js'
import type { OutputEntry, RoomEvent, RoomServer } from '../roomserver/index.js'
import type { UserApi } from '../userapi/index.js'
import type { RecipientRules } from './recipients.js'
import { COUNT_BATCH, DELETE_LEFT, DELETE_REDACTED } from './store/unread-events.js'
import type { CountCache } from './unread-counts.js'

export interface CounterDeps {
  readonly database: Database
  readonly roomserver: Pick<
    RoomServer,
    'summaries' | 'powerLevel' | 'stateEvent' | 'localJoinedMembers' | 'membership' | 'events'
  >
  readonly userapi: Pick<UserApi, 'isLocal' | 'ignoredUsers'>
  readonly recipients: LoadingCache<UserId, RecipientRules>
  readonly counts: CountCache
  readonly time: Clock
}

/** Somebody who is to be told of an event. */
interface Notice {
  readonly userId: UserId
  readonly eventIndex: number
  readonly highlight: boolean
}

/** What a batch of log entries changes, gathered before the one statement that writes it. */
interface Batch {
  readonly events: RoomEvent[]
  readonly senders: (UserId | '')[]
  readonly notices: Notice[]
}

/** Decides for every event of the log who is to be told of it, and keeps count. */
export class Counter {
  readonly #deps: CounterDeps

  constructor(deps: CounterDeps) {
    this.#deps = deps
  }

  /** One statement for the whole batch; two more where somebody left or something was redacted. */
  async count(entries: readonly OutputEntry[]): Promise<void> {
    const last = entries.at(-1)
    if (last === undefined) return
    const batch: Batch = { events: [], senders: [], notices: [] }
    for (const entry of entries) if (entry.event !== undefined) await this.#decide(entry.event, batch)
    await this.#write(batch, last.position)
    await this.#forgetLeft(entries)
    await this.#forgetRedacted(entries)
  }

  async #decide(event: RoomEvent, batch: Batch): Promise<void> {
    const { roomserver, userapi, recipients, counts } = this.#deps
    const { roomId, sender } = event
    const members = await roomserver.localJoinedMembers(roomId)
    const userIds = members.filter((userId) => userId !== sender)
    const invited = invitedUser(event)
    if (invited !== undefined && userapi.isLocal(invited)) userIds.push(invited)
    const readsBySending = userapi.isLocal(sender) && !counts.isAllRead(sender, roomId)
    if (userIds.length === 0 && !readsBySending) return

    const eventIndex = batch.events.push(event)
    batch.senders.push(readsBySending ? sender : '')
    if (userIds.length === 0) return
    const facts = new EventFacts(event, await this.#roomFacts(event))
    const rules = await recipients.getMany(userIds)
    for (const userId of userIds) {
      const outcome = await this.#outcome(facts, userId, rules.get(userId))
      if (outcome?.notify !== true || (await userapi.ignoredUsers(userId)).has(sender)) continue
      batch.notices.push({ userId, eventIndex, highlight: outcome.highlight })
    }
  }

  async #outcome(
    facts: EventFacts,
    userId: UserId,
    rules: RecipientRules | undefined,
  ): Promise<PushOutcome | undefined> {
    if (rules === undefined) return undefined
    const membership = rules.wantsDisplayName
      ? await this.#deps.roomserver.membership(facts.event.roomId, userId)
      : undefined
    return evaluate(rules.compiled, facts, { userId, displayName: membership?.displayName })
  }

  async #roomFacts({ roomId, sender }: RoomEvent): Promise<RoomFacts> {
    const { roomserver } = this.#deps
    const summary = (await roomserver.summaries([roomId], sender)).get(roomId)
    const levels = await roomserver.stateEvent(roomId, 'm.room.power_levels', '')
    const power = await roomserver.powerLevel(roomId, sender)
    const needed = getObject(levels?.content ?? {}, 'notifications') ?? {}
    return {
      memberCount: summary?.joinedMembers ?? 0,
      senderMayNotify: (key) => power >= (getInteger(needed, key) ?? 50),
    }
  }

  async #write({ events, senders, notices }: Batch, cursor: number): Promise<void> {
    if (events.length === 0) return
    const { database, counts, time } = this.#deps
    const read = await database.run(
      COUNT_BATCH,
      events.map(({ roomId }) => roomId),
      events.map(({ position }) => position ?? 0),
      events.map(({ threadRoot }) => threadRoot ?? ''),
      events.map(({ eventId }) => eventId),
      senders,
      notices.map(({ userId }) => userId),
      notices.map(({ eventIndex }) => eventIndex),
      notices.map(({ highlight }) => highlight),
      time.now(),
      cursor,
    )
    counts.removed(read)
    for (const { userId, eventIndex, highlight } of notices) {
      const event = events[eventIndex - 1]
      if (event !== undefined) counts.added(userId, event.roomId, event.threadRoot ?? '', highlight)
    }
  }

  async #forgetLeft(entries: readonly OutputEntry[]): Promise<void> {
    const gone = entries.flatMap(({ roomId, memberships }) =>
      memberships
        .filter(({ isLocal, previous }) => isLocal && (previous === 'join' || previous === 'invite'))
        .filter(({ membership }) => membership === 'leave' || membership === 'ban')
        .map(({ userId }) => ({ userId, roomId })),
    )
    if (gone.length === 0) return
    await this.#deps.database.run(
      DELETE_LEFT,
      gone.map(({ userId }) => userId),
      gone.map(({ roomId }) => roomId),
    )
    for (const { userId, roomId } of gone) this.#deps.counts.forget(userId, roomId)
  }

  async #forgetRedacted(entries: readonly OutputEntry[]): Promise<void> {
    const ids = entries.flatMap(({ redacted }) => (redacted === undefined ? [] : [redacted]))
    if (ids.length === 0) return
    const targets = [...(await this.#deps.roomserver.events(ids)).values()]
    const places = targets.filter((event): event is RoomEvent & { position: number } => event.position !== undefined)
    const gone = await this.#deps.database.run(
      DELETE_REDACTED,
      places.map(({ roomId }) => roomId),
      places.map(({ position }) => position),
    )
    this.#deps.counts.removed(gone)
  }
}

/** Who an invite is for: they are told of it although they are not in the room yet. */
function invitedUser(event: RoomEvent): UserId | undefined {
  if (event.type !== 'm.room.member' || event.content.membership !== 'invite') return undefined
  return event.stateKey as UserId | undefined
}
