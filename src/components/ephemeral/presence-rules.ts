import type { PresenceState } from './api.js'

/** Of the last sign of activity, how long a user is said to be active right now. */
const ACTIVE_MS = 60_000
/** Client-server API "Idle timeout". */
const IDLE_MS = 300_000
/** Long polls of clients end in 30 s or so and are followed by the next. */
const OFFLINE_MS = 150_000
/** An "online" of one client outweighs an "unavailable" of another for so long. */
const ONLINE_OUTWEIGHS_MS = 60_000

/** What is known of a user. Times with `At` are monotonic. */
export interface Tracked {
  readonly state: PresenceState
  readonly statusMessage: string | undefined
  /** Wall clock, ms: of the last sign of activity. */
  readonly lastActiveTs: number
  readonly lastActiveAt: number
  /** The last request. */
  readonly lastSeenAt: number
  /** The last sync that said "online". */
  readonly lastOnlineAt: number
  readonly currentlyActive: boolean
  readonly position: number
}

export function isShownDifferently(before: Tracked, next: Tracked): boolean {
  return (
    before.state !== next.state ||
    before.statusMessage !== next.statusMessage ||
    before.currentlyActive !== next.currentlyActive
  )
}

/** After a request: a sync with its `set_presence`, or (undefined) something that the user did. */
export function afterTouch(
  before: Tracked | undefined,
  said: PresenceState | undefined,
  now: { readonly wall: number; readonly monotonic: number },
): Tracked {
  const kept = {
    state: before?.state ?? 'offline',
    statusMessage: before?.statusMessage,
    lastActiveTs: before?.lastActiveTs ?? now.wall,
    lastActiveAt: before?.lastActiveAt ?? now.monotonic,
    lastSeenAt: now.monotonic,
    lastOnlineAt: before?.lastOnlineAt ?? Number.NEGATIVE_INFINITY,
    currentlyActive: before?.currentlyActive ?? false,
    position: before?.position ?? 0,
  } as const
  const active = {
    state: 'online',
    lastActiveTs: now.wall,
    lastActiveAt: now.monotonic,
    currentlyActive: true,
  } as const
  const wasOnline = now.monotonic - kept.lastOnlineAt <= ONLINE_OUTWEIGHS_MS
  switch (said) {
    case undefined:
      return kept.state === 'offline' ? kept : { ...kept, ...active }
    case 'online': {
      const next = { ...kept, lastOnlineAt: now.monotonic }
      // Who is idle although a client keeps saying "online" has to do something first.
      const returns = kept.state === 'offline' || (kept.state === 'unavailable' && !wasOnline)
      return returns ? { ...next, ...active } : next
    }
    case 'unavailable':
      return kept.state === 'online' && wasOnline ? kept : { ...kept, state: 'unavailable', currentlyActive: false }
    case 'offline':
      return before ?? kept
  }
}

/** What time alone changes; the same object when it changes nothing. */
export function afterSilence(before: Tracked, now: number): Tracked {
  if (before.state === 'offline') return before
  if (now - before.lastSeenAt > OFFLINE_MS) return { ...before, state: 'offline', currentlyActive: false }
  if (before.state !== 'online') return before
  if (now - before.lastActiveAt > IDLE_MS) return { ...before, state: 'unavailable', currentlyActive: false }
  if (before.currentlyActive && now - before.lastActiveAt > ACTIVE_MS) return { ...before, currentlyActive: false }
  return before
}
