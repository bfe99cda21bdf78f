import type { Database } from '../../platform/database.js'
import type { LoadingCache } from '../../platform/loading-cache.js'
import type { Clock } from '../../platform/time.js'
import type { EventId, RoomId, UserId } from '../../protocol/ids.js'
import { getInteger, getObject, getString } from '../../protocol/json.js'
import { EventFacts, evaluate, type PushOutcome, type RoomFacts } from '../../protocol/push-rules/index.js'
import type { OutputEntry, RoomEvent, RoomServer } from '../roomserver/index.js'
import type { UserApi } from '../userapi/index.js'
import { Batch } from './batch.js'
import type { RecipientRules } from './recipients.js'
import { COUNT_BATCH, DELETE_LEFT, DELETE_REDACTED } from './store/unread-events.js'
import type { CountCache } from './unread-counts.js'

export interface CounterDeps {
  readonly database: Database
  readonly roomserver: Pick<
    RoomServer,
    'summaries' | 'powerLevel' | 'stateEvent' | 'localJoinedMembers' | 'membership' | 'currentState' | 'events'
  >
  readonly userapi: Pick<UserApi, 'isLocal' | 'ignoring'>
  readonly recipients: LoadingCache<UserId, RecipientRules>
  readonly counts: CountCache
  readonly time: Clock
  /** Pushes have been written that are to be sent. */
  readonly onOwed: () => void
}

/** More names than this are read from the room's state at once; fewer from what is in memory of their users. */
const NAMES_ONE_BY_ONE = 8

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
    const batch = new Batch(entries)
    for (const entry of entries) if (entry.event !== undefined) await this.#decide(entry.event, batch)
    await this.#write(batch, last.position)
    await this.#forgetLeft(entries)
    await this.#forgetRedacted(entries)
  }

  async #decide(event: RoomEvent, batch: Batch): Promise<void> {
    const { roomserver, userapi, recipients, counts } = this.#deps
    const { roomId, sender } = event
    const members = await roomserver.localJoinedMembers(roomId)
    const userIds = members.filter((userId) => userId !== sender && !batch.joinsAfter(event, userId))
    const invited = invitedUser(event)
    if (invited !== undefined && userapi.isLocal(invited) && !userIds.includes(invited)) userIds.push(invited)
    const readsBySending = userapi.isLocal(sender) && !counts.isAllRead(sender, roomId)
    if (userapi.isLocal(sender)) batch.readBySending(event)
    if (userIds.length === 0 && !readsBySending) return

    batch.add(event, readsBySending ? sender : '')
    if (userIds.length === 0) return
    const facts = new EventFacts(event, await this.#roomFacts(event))
    const rules = await recipients.getMany(userIds)
    const names = await this.#displayNames(
      roomId,
      userIds.filter((userId) => rules.get(userId)?.wantsDisplayName === true),
    )
    const told: [UserId, PushOutcome][] = []
    for (const userId of userIds) {
      const compiled = rules.get(userId)?.compiled
      const outcome = compiled && evaluate(compiled, facts, { userId, displayName: names.get(userId) })
      if (outcome?.notify === true) told.push([userId, outcome])
    }
    if (told.length === 0) return
    const ignoring = await userapi.ignoring(
      told.map(([userId]) => userId),
      sender,
    )
    for (const [userId, outcome] of told) if (!ignoring.has(userId)) batch.tell(userId, outcome)
  }

  /** Of those whose rules look for it. */
  async #displayNames(roomId: RoomId, userIds: readonly UserId[]): Promise<Map<UserId, string>> {
    const { roomserver } = this.#deps
    const names = new Map<UserId, string>()
    if (userIds.length <= NAMES_ONE_BY_ONE) {
      for (const userId of userIds) {
        const name = (await roomserver.membership(roomId, userId))?.displayName
        if (name !== undefined) names.set(userId, name)
      }
      return names
    }
    const tuples = userIds.map((userId) => ['m.room.member', userId] as const)
    for (const event of (await roomserver.currentState([roomId], tuples)).get(roomId) ?? []) {
      const name = getString(event.content, 'displayname')
      if (name !== undefined) names.set(event.stateKey as UserId, name)
    }
    return names
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

  async #write(batch: Batch, cursor: number): Promise<void> {
    const { events, senders, news } = batch
    if (events.length === 0) return
    const { database, counts, time, onOwed } = this.#deps
    const notices = batch.unread()
    const rows = await counts.writing(
      events.map(({ roomId }) => roomId),
      () =>
        database.run(
          COUNT_BATCH,
          events.map(({ roomId }) => roomId),
          events.map(({ position }) => position ?? 0),
          events.map(({ threadRoot }) => threadRoot ?? ''),
          events.map(({ eventId }) => eventId),
          senders,
          notices.map(({ userId }) => userId),
          notices.map((notice) => notice.news.index),
          news.map(({ eventIndex }) => eventIndex),
          news.map(({ highlight }) => highlight),
          news.map(({ actions }) => actions),
          time.now(),
          cursor,
        ),
      (answer) => {
        let added = 0
        for (const { user_id, ...row } of answer) {
          if (user_id === '') added = row.notifications
          else counts.removed([{ user_id, ...row }])
        }
        // Fewer than asked for: this batch has been counted in part before, and who was is not said.
        const isNew = added === notices.length
        for (const { userId, news } of notices) {
          const event = events[news.eventIndex - 1]
          if (event === undefined) continue
          if (isNew) counts.added(userId, event.roomId, event.threadRoot ?? '', news.highlight)
          else counts.forget(userId, event.roomId)
        }
      },
    )
    if (rows.some(({ owed }) => owed > 0)) onOwed()
  }

  async #forgetLeft(entries: readonly OutputEntry[]): Promise<void> {
    const gone = entries.flatMap(({ roomId, position, memberships }) =>
      memberships
        .filter(({ isLocal, previous }) => isLocal && (previous === 'join' || previous === 'invite'))
        .filter(({ membership }) => membership === 'leave' || membership === 'ban')
        .map(({ userId }) => ({ userId, roomId, position })),
    )
    if (gone.length === 0) return
    const { database, counts, time, onOwed } = this.#deps
    const rows = await counts.writing(
      gone.map(({ roomId }) => roomId),
      () =>
        database.run(
          DELETE_LEFT,
          gone.map(({ userId }) => userId),
          gone.map(({ roomId }) => roomId),
          gone.map(({ position }) => position),
          time.now(),
        ),
      (answer) => counts.removed(answer),
    )
    if (rows.some(({ owed }) => owed > 0)) onOwed()
  }

  async #forgetRedacted(entries: readonly OutputEntry[]): Promise<void> {
    const ids = entries.flatMap(({ redacted }): EventId[] => (redacted === undefined ? [] : [redacted]))
    if (ids.length === 0) return
    const { roomserver, database, counts, time, onOwed } = this.#deps
    const targets = [...(await roomserver.events(ids)).values()]
    const places = targets.filter((event): event is RoomEvent & { position: number } => event.position !== undefined)
    const rows = await counts.writing(
      places.map(({ roomId }) => roomId),
      () =>
        database.run(
          DELETE_REDACTED,
          places.map(({ roomId }) => roomId),
          places.map(({ position }) => position),
          time.now(),
        ),
      (answer) => counts.removed(answer),
    )
    if (rows.some(({ owed }) => owed > 0)) onOwed()
  }
}

/** Who an invite is for: they are told of it although they are not in the room yet. */
function invitedUser(event: RoomEvent): UserId | undefined {
  if (event.type !== 'm.room.member' || event.content.membership !== 'invite') return undefined
  return event.stateKey as UserId | undefined
}
