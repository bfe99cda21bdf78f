import { z } from 'zod'
import type { RoomEvent, RoomMembership } from '../../components/roomserver/index.js'
import type { Requester } from '../../components/userapi/index.js'
import type { RoomId } from '../../protocol/ids.js'
import { quote } from '../../protocol/json.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { RouteDeps } from '../deps.js'
import { arrayText, objectText, textReply } from '../json-text.js'
import { requirePeek } from '../room-view.js'
import { type Route, route } from '../route.js'
import { roomIdSchema } from '../schema/ids.js'
import { queryInteger } from '../schema/query.js'
import { readPosition } from '../timeline-token.js'
import { presenceText, receiptTexts, typingText } from './legacy-sync-texts.js'
import { withoutIgnored } from './message-pagination.js'

type Deps = Pick<RouteDeps, 'roomserver' | 'userapi' | 'ephemeral' | 'streamClock' | 'feed' | 'time'>

const DEFAULT_TIMEOUT_MS = 30_000
const MAX_TIMEOUT_MS = 60_000
/** How long a request waits for what has been committed before it to become visible. */
const CATCH_UP_MS = 1_000
/** Events of one room in one answer: who was away longer has `/messages`. */
const MAX_EVENTS = 100

interface Listening {
  readonly user: Requester
  /** Undefined: all rooms that the user is in. */
  readonly roomId: RoomId | undefined
  readonly after: number
}

/** The stream that `/sync` has replaced, and its way to look into one room without being in it. */
export function peekingEventsRoutes(deps: Deps): Route[] {
  const { roomserver, streamClock, time } = deps
  return [
    route({
      method: 'GET',
      path: '/_matrix/client/v3/events',
      versions: ['r0'],
      auth: 'guest',
      query: z.object({
        from: z.string().optional(),
        timeout: queryInteger.optional(),
        room_id: roomIdSchema.optional(),
      }),
      async handler({ user, query, signal }) {
        const roomId = query.room_id
        if (roomId !== undefined) await requirePeek(roomserver, user.userId, roomId)
        else if (user.accountType === 'guest') {
          throw new MatrixError('M_GUEST_ACCESS_FORBIDDEN', 'Guests listen to one room: room_id')
        }
        await streamClock.caughtUp(CATCH_UP_MS)
        const visible = streamClock.visible
        const after = query.from === undefined || query.from === '' ? visible : readPosition(query.from)
        const timeout = Math.min(Math.max(query.timeout ?? DEFAULT_TIMEOUT_MS, 0), MAX_TIMEOUT_MS)
        const deadline = time.monotonic() + timeout
        const listening = { user, roomId, after: Math.min(after, visible) }
        for (;;) {
          const news = watch(deps, await keysOf(deps, listening))
          const upTo = streamClock.visible
          const chunk = await newsTexts(deps, listening, upTo)
          const left = deadline - time.monotonic()
          if (chunk.length > 0 || left <= 0 || signal.aborted) {
            news.cancel()
            return textReply(
              objectText({
                start: quote(`s${listening.after}`),
                end: quote(`s${upTo}`),
                chunk: arrayText(chunk),
              }),
            )
          }
          await news.next(left, signal)
        }
      },
    }),
  ]
}

/** What changes that concern the listener are keyed by: their rooms, themselves, and those whose presence they see. */
async function keysOf({ roomserver }: Deps, { user, roomId }: Listening): Promise<ReadonlySet<string>> {
  if (roomId !== undefined) return new Set([roomId])
  const memberships = await roomserver.memberships(user.userId)
  return new Set<string>([user.userId, ...memberships.keys(), ...(await roomserver.usersSharingRoomWith(user.userId))])
}

/** Hears of the next change under these keys from the moment it is made, so that none falls between a look and the wait. */
function watch({ feed, time }: Deps, concerned: ReadonlySet<string>) {
  let heard = (): void => undefined
  const change = new Promise<void>((resolve) => {
    heard = resolve
  })
  const unsubscribe = feed.subscribe((changes) => {
    if (changes.some(({ keys }) => keys.some((key) => concerned.has(key)))) heard()
  })
  return {
    cancel: unsubscribe,
    async next(ms: number, signal: AbortSignal): Promise<void> {
      const stopTimer = time.after(ms, () => heard())
      const onAbort = () => heard()
      signal.addEventListener('abort', onAbort, { once: true })
      await change
      stopTimer()
      unsubscribe()
      signal.removeEventListener('abort', onAbort)
    },
  }
}

/** Everything in (after, upTo] that concerns the user, as JSON texts: events of rooms, then what passes. */
async function newsTexts(deps: Deps, { user, roomId, after }: Listening, upTo: number): Promise<string[]> {
  const { roomserver, ephemeral, time } = deps
  if (upTo <= after) return []
  const memberships = await roomserver.memberships(user.userId)
  const joined = [...memberships.values()].filter(({ membership }) => membership === 'join').map((one) => one.roomId)
  const rooms = roomId === undefined ? joined : [roomId]
  const changed = await roomserver.roomsChangedSince(rooms, after)
  const pages = await roomserver.newest(changed.map((id) => ({ roomId: id, after, upTo, limit: MAX_EVENTS })))
  const events = [...pages.values()].flatMap((page) => page.events)
  if (roomId === undefined) events.push(...(await ownChanges(deps, memberships, { after, upTo })))
  const unique = [...new Map(events.map((event) => [event.nid, event])).values()]
  unique.sort((a, b) => (a.position ?? 0) - (b.position ?? 0))
  const isOwn = (event: RoomEvent) => event.type === 'm.room.member' && event.stateKey === user.userId
  const seen = new Set(await roomserver.visibleTo(user.userId, unique))
  const shown = await withoutIgnored(
    deps,
    user,
    unique.filter((event) => seen.has(event) || isOwn(event)),
  )
  const typing = ephemeral.typingBetween(rooms, after, upTo)
  const receipts = rooms.length === 0 ? [] : await ephemeral.receiptsBetween(rooms, user.userId, after, upTo)
  const people = new Set(await roomserver.usersSharingRoomWith(user.userId)).add(user.userId)
  const presence = roomId === undefined ? await ephemeral.presenceBetween(people, after, upTo) : []
  return [
    ...(await roomserver.present(shown, user)),
    ...Array.from(typing, ([id, userIds]) => typingText(id, userIds)),
    ...receiptTexts(receipts),
    ...presence.map((one) => presenceText(one, time.now())),
  ]
}

/** The membership events by which the user was invited, left or was sent away: of such rooms nothing else is told. */
async function ownChanges(
  { roomserver }: Deps,
  memberships: ReadonlyMap<RoomId, RoomMembership>,
  { after, upTo }: { readonly after: number; readonly upTo: number },
): Promise<RoomEvent[]> {
  const changed = [...memberships.values()].filter(({ membership, position, forgotten }) => {
    return membership !== 'join' && !forgotten && position > after && position <= upTo
  })
  const events = await roomserver.events(changed.map(({ eventId }) => eventId))
  return [...events.values()]
}
