import type { EventFilter } from '../api.js'

/** What a filter binds, in the order of `eventFilterSql`. Types are LIKE patterns; null lets everything through. */
export type EventFilterParams = [
  types: readonly string[] | null,
  notTypes: readonly string[],
  senders: readonly string[] | null,
  notSenders: readonly string[],
  containsUrl: boolean | null,
  relTypes: readonly string[] | null,
  relSenders: readonly string[] | null,
]

/**
 * Condition on `e` (columns event_id, room_nid, type_nid, sender, contains_url) with parameters from `first` on.
 * Child events count when they are in the timeline of the same room.
 */
export function eventFilterSql(first: number): string {
  const [types, notTypes, senders, notSenders, url, relTypes, relSenders] = Array.from(
    { length: 7 },
    (_, index) => `$${first + index}`,
  )
  return `(${types}::text[] IS NULL OR e.type_nid IN (
      SELECT t.type_nid FROM roomserver.event_types t WHERE t.type LIKE ANY(${types}::text[])))
    AND e.type_nid NOT IN (SELECT t.type_nid FROM roomserver.event_types t WHERE t.type LIKE ANY(${notTypes}::text[]))
    AND (${senders}::text[] IS NULL OR e.sender = ANY(${senders}::text[]))
    AND e.sender <> ALL(${notSenders}::text[])
    AND (${url}::boolean IS NULL OR e.contains_url = ${url}::boolean)
    AND ((${relTypes}::text[] IS NULL AND ${relSenders}::text[] IS NULL) OR EXISTS (
      SELECT FROM roomserver.relations l
      JOIN roomserver.events child ON child.event_nid = l.event_nid AND child.position IS NOT NULL
      WHERE l.relates_to = e.event_id AND l.room_nid = e.room_nid
        AND (${relTypes}::text[] IS NULL OR l.rel_type = ANY(${relTypes}::text[]))
        AND (${relSenders}::text[] IS NULL OR l.sender = ANY(${relSenders}::text[]))))`
}

export function eventFilterParams(filter: EventFilter): EventFilterParams {
  return [
    filter.types?.map(likePattern) ?? null,
    filter.notTypes?.map(likePattern) ?? [],
    filter.senders ?? null,
    filter.notSenders ?? [],
    filter.containsUrl ?? null,
    filter.relatedByRelTypes ?? null,
    filter.relatedBySenders ?? null,
  ]
}

/** `*` of a filter stands for any number of characters; everything else is itself. */
function likePattern(glob: string): string {
  return glob.replace(/[\\%_]/g, '\\$&').replaceAll('*', '%')
}
