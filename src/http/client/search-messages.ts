import type { RoomEvent } from '../../components/roomserver/index.js'
import type { MessageQuery } from '../../components/search/index.js'
import type { UserId } from '../../protocol/ids.js'
import type { RouteDeps } from '../deps.js'

export interface FoundMessage {
  readonly event: RoomEvent
  readonly rank: number
}

/** Matches that are looked at for one page: the user may not be allowed to see any of them. */
const PER_STEP = 100
const MAX_STEPS = 5

interface Page {
  readonly query: Omit<MessageQuery, 'offset' | 'limit'>
  readonly viewer: UserId
  readonly offset: number
  readonly limit: number
  isWanted(message: FoundMessage): boolean
}

/** Matches that the viewer may see, in the order of the search. `next`: where the next page begins, if there may be one. */
export async function findMessages(
  { roomserver, search }: Pick<RouteDeps, 'roomserver' | 'search'>,
  { query, viewer, offset, limit, isWanted }: Page,
): Promise<{ messages: FoundMessage[]; count: number; next: number | undefined }> {
  const messages: FoundMessage[] = []
  let at = offset
  let total = 0
  for (let step = 0; step < MAX_STEPS && limit > 0; step++) {
    const { matches, count } = await search.messages({ ...query, offset: at, limit: PER_STEP })
    total = Math.max(total, count)
    const events = await roomserver.events(matches.map(({ eventId }) => eventId))
    const seen = new Set(await roomserver.visibleTo(viewer, [...events.values()]))
    for (const { eventId, rank } of matches) {
      if (messages.length === limit) return { messages, count: total, next: at }
      at++
      const event = events.get(eventId)
      // The index learns of a redaction a moment later than the room.
      if (event === undefined || event.redactedBy !== undefined || !seen.has(event)) continue
      if (isWanted({ event, rank })) messages.push({ event, rank })
    }
    if (matches.length < PER_STEP) return { messages, count: total, next: undefined }
  }
  return { messages, count: total, next: at }
}
