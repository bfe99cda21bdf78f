import { changeInMemory } from '../../platform/change-feed.js'
import type { Loop } from '../../platform/loop.js'
import type { UserId } from '../../protocol/ids.js'
import { EPHEMERAL_STREAMS, type Presence, type PresenceState, type PresenceTracker } from './api.js'
import type { EphemeralDeps } from './context.js'
import { afterSilence, afterTouch, isShownDifferently, type Tracked } from './presence-rules.js'
import { type PresenceRow, SELECT_PRESENCE, SELECT_PRESENT, UPSERT_PRESENCE } from './store/presence.js'

const TICK_MS = 5_000
/** What changed is written this often: more would cost a small disk more than it is worth. */
const FLUSH_MS = 30_000
/** How long somebody who is gone stays in memory. */
const KEEP_OFFLINE_MS = 600_000

/**
 * Presence of the users of this server. Memory is the truth while the server runs; rows are written in the background.
 * Everybody who is not offline is in memory.
 *
 * Where `global.presence` has both directions off, nothing is streamed and syncing makes nobody online: a state that
 * was set is kept, and shown to who asks for it, until its user falls silent.
 */
export function createPresence(
  deps: EphemeralDeps,
): PresenceTracker & { start(): Promise<void>; stop(): Promise<void> } {
  const { config, database, streamClock, time, loops } = deps
  const enabled = config.presence.enable_inbound || config.presence.enable_outbound
  const tracked = new Map<UserId, Tracked>()
  /** Changed since they were written. */
  const unwritten = new Set<UserId>()
  /** Changed and without a position yet. */
  const untold = new Set<UserId>()
  /** Above this position every change is in memory. */
  let floor = streamClock.visible
  let lastFlush = time.monotonic()
  let loop: Loop | undefined

  /** Gives the changes of these users, which are in memory already, their position. What fails is told with the next. */
  const show = async (changed: readonly UserId[]): Promise<void> => {
    for (const userId of changed) untold.add(userId)
    const userIds = [...untold]
    if (userIds.length === 0) return
    const apply = (position: number): void => {
      for (const userId of userIds) {
        const now = tracked.get(userId)
        if (now !== undefined) tracked.set(userId, { ...now, position })
        unwritten.add(userId)
        untold.delete(userId)
      }
    }
    if (enabled) await changeInMemory(deps, { stream: EPHEMERAL_STREAMS.presence, keys: userIds }, apply)
    else apply(0)
  }

  const update = async (userId: UserId, before: Tracked | undefined, next: Tracked): Promise<void> => {
    tracked.set(userId, { ...next, position: before?.position ?? 0 })
    if (before === undefined || isShownDifferently(before, next)) await show([userId])
  }

  const find = async (userId: UserId): Promise<Tracked | undefined> => {
    const known = tracked.get(userId)
    if (known !== undefined) return known
    const [row] = await database.run(SELECT_PRESENCE, [userId])
    // Another request may have been faster.
    return tracked.get(userId) ?? (row && track(row))
  }

  const track = (row: PresenceRow): Tracked => {
    const idleMs = Math.max(0, time.now() - row.last_active_ts)
    const now = time.monotonic()
    return {
      state: row.state,
      statusMessage: row.status_message ?? undefined,
      lastActiveTs: row.last_active_ts,
      lastActiveAt: now - idleMs,
      lastSeenAt: now,
      lastOnlineAt: Number.NEGATIVE_INFINITY,
      currentlyActive: false,
      position: row.position,
    }
  }

  const flush = async (): Promise<void> => {
    const rows = [...unwritten].flatMap((userId) => {
      const now = tracked.get(userId)
      return now === undefined ? [] : [{ userId, now }]
    })
    unwritten.clear()
    lastFlush = time.monotonic()
    if (rows.length === 0) return
    try {
      await database.run(
        UPSERT_PRESENCE,
        rows.map(({ userId }) => userId),
        rows.map(({ now }) => now.state),
        rows.map(({ now }) => now.statusMessage ?? null),
        rows.map(({ now }) => now.lastActiveTs),
        rows.map(({ now }) => now.position),
      )
    } catch (error) {
      for (const { userId } of rows) unwritten.add(userId)
      throw error
    }
  }

  const tick = async (): Promise<void> => {
    const now = time.monotonic()
    const changed: UserId[] = []
    for (const [userId, before] of tracked) {
      const next = afterSilence(before, now)
      if (next !== before) {
        tracked.set(userId, next)
        changed.push(userId)
      } else if (before.state === 'offline' && !unwritten.has(userId) && now - before.lastSeenAt > KEEP_OFFLINE_MS) {
        tracked.delete(userId)
        floor = Math.max(floor, before.position)
      }
    }
    await show(changed)
    if (now - lastFlush >= FLUSH_MS) await flush()
  }

  return {
    enabled,

    async setPresence(userId, state, statusMessage) {
      const before = await find(userId)
      const now = time.monotonic()
      const isActive = state === 'online'
      await update(userId, before, {
        state,
        statusMessage: statusMessage === undefined ? before?.statusMessage : (statusMessage ?? undefined),
        lastActiveTs: time.now(),
        lastActiveAt: now,
        lastSeenAt: now,
        // Syncs that say "online" because clients do by default must not undo what was set.
        lastOnlineAt: now,
        currentlyActive: isActive,
        position: before?.position ?? 0,
      })
    },

    async touch(userId, state) {
      if (state === 'offline' || (!enabled && !tracked.has(userId))) return
      // Who only sends is not shown as online: it takes a client that listens.
      if (state === undefined && !tracked.has(userId)) return
      const before = await find(userId)
      await update(userId, before, afterTouch(before, state, { wall: time.now(), monotonic: time.monotonic() }))
    },

    async presence(userIds) {
      const found = new Map<UserId, Presence>()
      const missing: UserId[] = []
      for (const userId of userIds) {
        const known = tracked.get(userId)
        if (known === undefined) missing.push(userId)
        else found.set(userId, presenceOf(userId, known))
      }
      if (missing.length === 0) return found
      const rows = await database.run(SELECT_PRESENCE, missing)
      for (const row of rows) found.set(row.user_id, presenceOf(row.user_id, track(row)))
      return found
    },

    async presenceBetween(userIds, after, upTo) {
      if (!enabled || upTo <= after) return []
      const found: Presence[] = []
      const missing: UserId[] = []
      for (const userId of userIds) {
        const known = tracked.get(userId)
        if (known === undefined) missing.push(userId)
        else if (isShown(known.state, known.position)) found.push(presenceOf(userId, known))
      }
      // Who begins is told of those who are there, and they are all in memory.
      if (after === 0 || after >= floor || missing.length === 0) return found
      for (const row of await database.run(SELECT_PRESENCE, missing)) {
        if (isShown(row.state, row.position)) found.push(presenceOf(row.user_id, track(row)))
      }
      return found

      function isShown(state: PresenceState, position: number): boolean {
        return position > after && position <= upTo && (after > 0 || state !== 'offline')
      }
    },

    async start() {
      for (const row of await database.run(SELECT_PRESENT)) tracked.set(row.user_id, track(row))
      loop = loops.start({ name: 'ephemeral.presence', owner: 'ephemeral', intervalMs: TICK_MS, body: tick })
    },

    async stop() {
      await loop?.stop()
      await flush()
    },
  }
}

function presenceOf(userId: UserId, tracked: Tracked): Presence {
  const { state, statusMessage, lastActiveTs, currentlyActive, position } = tracked
  return { userId, state, statusMessage, lastActiveTs, currentlyActive, position }
}
