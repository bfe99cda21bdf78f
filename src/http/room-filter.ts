import type { z } from 'zod'
import type { EventFilter, RoomEvent } from '../components/roomserver/index.js'
import { containsUrl } from '../protocol/event/content.js'
import { matchesGlob } from '../protocol/glob.js'
import type { RoomId } from '../protocol/ids.js'
import { JsonError, parseJson } from '../protocol/json.js'
import { MatrixError } from '../protocol/matrix-error.js'
import { roomEventFilter } from './schema/filter.js'

/** A RoomEventFilter as the parameter `filter` of `/messages` and `/context` has it. */
export interface RoomFilter {
  readonly events: EventFilter
  readonly limit: number | undefined
  readonly lazyLoadMembers: boolean
  /** Whether it lets anything of this room through. */
  allowsRoom(roomId: RoomId): boolean
}

const NO_FILTER: RoomFilter = {
  events: {},
  limit: undefined,
  lazyLoadMembers: false,
  allowsRoom: () => true,
}

/** @throws MatrixError M_INVALID_PARAM for what is no JSON or no filter */
export function readRoomFilter(text: string | undefined): RoomFilter {
  if (text === undefined || text === '') return NO_FILTER
  const filter = parseFilter(text)
  const { rooms, not_rooms: notRooms } = filter
  return {
    events: eventFilterOf(filter),
    limit: filter.limit ?? undefined,
    lazyLoadMembers: filter.lazy_load_members === true,
    allowsRoom: (roomId) => rooms?.includes(roomId) !== false && notRooms?.includes(roomId) !== true,
  }
}

type ParsedFilter = z.output<typeof roomEventFilter>

function parseFilter(text: string): ParsedFilter {
  try {
    const result = roomEventFilter.safeParse(parseJson(text))
    if (result.success) return result.data
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
  }
  throw new MatrixError('M_INVALID_PARAM', 'filter: not a room event filter')
}

export function eventFilterOf(filter: ParsedFilter): EventFilter {
  const { types, not_types: notTypes, senders, not_senders: notSenders, contains_url: containsUrl } = filter
  const { related_by_rel_types: relatedByRelTypes, related_by_senders: relatedBySenders } = filter
  return {
    ...(types && { types }),
    ...(notTypes && { notTypes }),
    ...(senders && { senders }),
    ...(notSenders && { notSenders }),
    ...(typeof containsUrl === 'boolean' && { containsUrl }),
    ...(relatedByRelTypes && { relatedByRelTypes }),
    ...(relatedBySenders && { relatedBySenders }),
  }
}

/** For state, which is not read through the filter. What relates to an event is not asked here. */
export function matchesFilter(filter: EventFilter, event: RoomEvent): boolean {
  const matchesType = (pattern: string): boolean => matchesGlob(pattern, event.type)
  if (filter.types?.some(matchesType) === false || filter.notTypes?.some(matchesType) === true) return false
  if (filter.senders?.includes(event.sender) === false || filter.notSenders?.includes(event.sender) === true)
    return false
  return filter.containsUrl === undefined || filter.containsUrl === containsUrl(event.content)
}
