import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import { compileGlob, type Glob } from '../../protocol/glob.js'
import { JsonError, type JsonValue, parseJson } from '../../protocol/json.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { EventFilter } from '../roomserver/index.js'

/** Events of a timeline where the filter does not say, and the most that anybody gets at once. */
const DEFAULT_LIMIT = 10
const MAX_LIMIT = 100
/** Compiled filters; clients use the same few all their life. */
const REMEMBERED_FILTERS = 500

const strings = z.array(z.string()).nullish()
const flag = z.boolean().nullish()

const eventFilterSchema = z.looseObject({
  limit: z.number().int().nonnegative().nullish(),
  types: strings,
  not_types: strings,
  senders: strings,
  not_senders: strings,
})

const roomEventFilterSchema = eventFilterSchema.extend({
  rooms: strings,
  not_rooms: strings,
  contains_url: flag,
  lazy_load_members: flag,
  include_redundant_members: flag,
  unread_thread_notifications: flag,
  related_by_rel_types: strings,
  related_by_senders: strings,
})

const filterSchema = z.looseObject({
  event_fields: strings,
  event_format: z.enum(['client', 'federation']).nullish(),
  presence: eventFilterSchema.nullish(),
  account_data: eventFilterSchema.nullish(),
  room: z
    .looseObject({
      rooms: strings,
      not_rooms: strings,
      include_leave: flag,
      ephemeral: roomEventFilterSchema.nullish(),
      state: roomEventFilterSchema.nullish(),
      timeline: roomEventFilterSchema.nullish(),
      account_data: roomEventFilterSchema.nullish(),
    })
    .nullish(),
})

type EventFilterJson = z.output<typeof eventFilterSchema>
type RoomEventFilterJson = z.output<typeof roomEventFilterSchema>

/** Which of many strings are wanted. */
export interface Choice {
  allows(text: string): boolean
  /** Nothing is. */
  readonly none: boolean
}

/** An EventFilter of the specification. */
export interface EventChoice {
  readonly types: Choice
  readonly senders: Choice
  readonly limit: number
}

/** A RoomEventFilter. */
export interface RoomEventChoice extends EventChoice {
  readonly rooms: Choice
  readonly containsUrl: boolean | undefined
}

/** A filter of `/sync`, prepared for use. CS API "Filtering". */
export interface SyncFilter {
  readonly presence: EventChoice
  readonly accountData: EventChoice
  readonly rooms: Choice
  readonly includeLeave: boolean
  readonly timeline: RoomEventChoice & {
    /** What is applied while reading. */
    readonly conditions: EventFilter
    readonly unreadThreads: boolean
  }
  readonly state: RoomEventChoice & { readonly lazyMembers: boolean; readonly redundantMembers: boolean }
  readonly ephemeral: RoomEventChoice
  readonly roomAccountData: RoomEventChoice
  readonly federationFormat: boolean
  /** Property paths to keep of events; undefined: whole events. */
  readonly eventFields: readonly string[] | undefined
}

const compiled = new LRUCache<string, SyncFilter>({ max: REMEMBERED_FILTERS })

/** @param text JSON; undefined: no filter. @throws MatrixError M_NOT_JSON, M_INVALID_PARAM */
export function parseFilter(text: string | undefined): SyncFilter {
  const key = text ?? '{}'
  const known = compiled.get(key)
  if (known !== undefined) return known
  const parsed = filterSchema.safeParse(parse(key))
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    const where = (issue?.path ?? []).map(String).join('.').slice(0, 100)
    throw new MatrixError('M_INVALID_PARAM', `The filter is not valid: ${where}: ${issue?.message ?? ''}`)
  }
  const filter = compile(parsed.data)
  compiled.set(key, filter)
  return filter
}

function parse(text: string): JsonValue {
  try {
    return parseJson(text)
  } catch (error) {
    if (error instanceof JsonError) throw new MatrixError(error.errcode, 'The filter is not JSON')
    throw error
  }
}

function compile({
  room,
  presence,
  account_data,
  event_format,
  event_fields,
}: z.output<typeof filterSchema>): SyncFilter {
  const timeline = room?.timeline ?? {}
  const state = room?.state ?? {}
  return {
    presence: eventChoice(presence ?? {}),
    accountData: eventChoice(account_data ?? {}),
    rooms: choiceOf(room?.rooms, room?.not_rooms),
    includeLeave: room?.include_leave === true,
    timeline: {
      ...roomEventChoice(timeline),
      conditions: conditionsOf(timeline),
      // Clients put it into either; the specification only into the timeline's.
      unreadThreads: timeline.unread_thread_notifications === true,
    },
    state: {
      ...roomEventChoice(state),
      lazyMembers: state.lazy_load_members === true,
      redundantMembers: state.include_redundant_members === true,
    },
    ephemeral: roomEventChoice(room?.ephemeral ?? {}),
    roomAccountData: roomEventChoice(room?.account_data ?? {}),
    federationFormat: event_format === 'federation',
    eventFields: event_fields ?? undefined,
  }
}

function eventChoice(filter: EventFilterJson): EventChoice {
  return {
    types: choiceOf(filter.types, filter.not_types, true),
    senders: choiceOf(filter.senders, filter.not_senders),
    limit: Math.min(filter.limit ?? DEFAULT_LIMIT, MAX_LIMIT),
  }
}

function roomEventChoice(filter: RoomEventFilterJson): RoomEventChoice {
  return {
    ...eventChoice(filter),
    rooms: choiceOf(filter.rooms, filter.not_rooms),
    containsUrl: filter.contains_url ?? undefined,
  }
}

function conditionsOf(filter: RoomEventFilterJson): EventFilter {
  return {
    ...(filter.types && { types: filter.types }),
    ...(filter.not_types && { notTypes: filter.not_types }),
    ...(filter.senders && { senders: filter.senders }),
    ...(filter.not_senders && { notSenders: filter.not_senders }),
    ...(filter.contains_url != null && { containsUrl: filter.contains_url }),
    ...(filter.related_by_rel_types && { relatedByRelTypes: filter.related_by_rel_types }),
    ...(filter.related_by_senders && { relatedBySenders: filter.related_by_senders }),
  }
}

type Names = readonly string[] | null | undefined

/** A name in `excluded` is out even when it is in `included`; no list of included ones stands for all. */
function choiceOf(included: Names, excluded: Names, globs = false): Choice {
  const isIncluded = included == null ? undefined : matcherOf(included, globs)
  const isExcluded = excluded == null || excluded.length === 0 ? undefined : matcherOf(excluded, globs)
  return {
    allows: (text) => isIncluded?.(text) !== false && isExcluded?.(text) !== true,
    none: included?.length === 0,
  }
}

/** Only `*` is special in a filter. */
function matcherOf(names: readonly string[], globs: boolean): (text: string) => boolean {
  const exact = new Set<string>()
  const patterns: Glob[] = []
  for (const name of names) {
    if (globs && name.includes('*') && !name.includes('?')) patterns.push(compileGlob(name))
    else exact.add(name)
  }
  return (text) => exact.has(text) || patterns.some((pattern) => pattern.matches(text))
}
