import { setImmediate as nextTurn } from 'node:timers/promises'
import type { RoomId } from '../../../protocol/ids.js'
import { isJsonObject, parseStoredJson, stringifyJson } from '../../../protocol/json.js'
import type { RoomEvent, RoomSummary, StateChange } from '../../roomserver/index.js'
import { eventFieldsOf } from '../event-fields.js'
import type { AccountData } from '../streams/account-data.js'
import type { EphemeralNews } from '../streams/ephemeral.js'
import type { SyncSources, SyncView } from '../sync-view.js'
import { isComingOrGoing, type MemberChange, readMemberChanges } from './member-news.js'
import { readDetails, wantsSummary } from './room-details.js'
import type { RoomPart } from './room-plan.js'
import { type Heroes, type RoomSpan, readStates, type StateNews } from './room-state.js'
import { hasContents, joinedRoomText, otherRoomText, type RoomContents } from './room-texts.js'
import { readTimelines } from './timeline.js'

/** Rooms, and members in them, that are in memory as events at the same time. */
const CHUNK_ROOMS = 300
const CHUNK_MEMBERS = 20_000

/** What the rooms of an answer are composed from. */
export interface RoomSelection {
  /** Those with a timeline or state to tell. */
  readonly moved: readonly RoomPart[]
  /** Those that are in the answer for something else only. */
  readonly still: readonly RoomPart[]
  readonly accountData: AccountData
  readonly ephemeral: EphemeralNews
}

type RoomText = readonly [RoomId, string]

export interface ComposedRooms {
  /** Texts of `rooms.join`, `rooms.leave` and `rooms.peek`, by room. */
  readonly join: readonly RoomText[]
  readonly leave: readonly RoomText[]
  readonly peek: readonly RoomText[]
  /** Changes of memberships in rooms that the client knew. */
  readonly memberChanges: readonly MemberChange[]
}

/**
 * Rooms with their timelines, as JSON text. The number of statements is that of one chunk, and a chunk holds as many rooms as
 * most people have.
 */
export async function composeRooms(
  sources: SyncSources,
  view: SyncView,
  selection: RoomSelection,
): Promise<ComposedRooms> {
  const join: RoomText[] = []
  const leave: RoomText[] = []
  const peek: RoomText[] = []
  const changes: MemberChange[] = []
  const chunks = await chunksOf(sources, view, selection.moved)
  if (selection.still.length > 0) chunks.push([])
  for (const [index, chunk] of chunks.entries()) {
    const isLast = index === chunks.length - 1
    const composed = await composeChunk(sources, view, selection, chunk, isLast ? selection.still : [])
    join.push(...composed.join)
    leave.push(...composed.leave)
    peek.push(...composed.peek)
    changes.push(...composed.memberChanges)
    if (!isLast) await nextTurn()
  }
  return { join, leave, peek, memberChanges: changes }
}

/** Without lazy loading a room weighs as much as it has members. */
async function chunksOf(
  { roomserver }: SyncSources,
  view: SyncView,
  parts: readonly RoomPart[],
): Promise<RoomPart[][]> {
  const weighed = parts.length > 1 && !view.filter.state.lazyMembers && (view.since === undefined || view.fullState)
  const summaries = weighed
    ? await roomserver.summaries(
        parts.map(({ roomId }) => roomId),
        view.requester.userId,
      )
    : undefined
  const chunks: RoomPart[][] = []
  let chunk: RoomPart[] = []
  let members = 0
  for (const part of parts) {
    const weight = summaries?.get(part.roomId)?.joinedMembers ?? 0
    if (chunk.length === CHUNK_ROOMS || (chunk.length > 0 && members + weight > CHUNK_MEMBERS)) {
      chunks.push(chunk)
      chunk = []
      members = 0
    }
    chunk.push(part)
    members += weight
  }
  if (chunk.length > 0) chunks.push(chunk)
  return chunks
}

async function composeChunk(
  sources: SyncSources,
  view: SyncView,
  { accountData, ephemeral }: RoomSelection,
  moved: readonly RoomPart[],
  still: readonly RoomPart[],
): Promise<ComposedRooms> {
  const { userId } = view.requester
  const timelines = await readTimelines(sources, view, moved)
  const spans = moved.flatMap((part): RoomSpan[] => {
    const timeline = timelines.get(part.roomId)
    return timeline === undefined ? [] : [{ part, timeline }]
  })
  const heroesOfWhole = await readHeroes(
    sources,
    view,
    spans.filter(({ part }) => part.fresh || view.fullState),
  )
  const states = await readStates(sources, view, spans, heroesOfWhole)
  const changes = await readMemberChanges(sources, joinedChanges(spans, states))
  const movedMembers = new Set(changes.filter(isComingOrGoing).map(({ roomId }) => roomId))
  const summarised = spans.filter((span) => wantsSummary(view, span, states.get(span.part.roomId), movedMembers))
  const heroes = await readHeroes(sources, view, summarised)
  const details = await readDetails(sources, view, spans, states, heroes)
  const joined = [...moved, ...still].filter(({ section }) => section === 'join').map(({ roomId }) => roomId)
  const unread = await sources.pushserver.unreadCounts(userId, joined)

  const contentsOf = ({ roomId }: RoomPart): RoomContents => ({
    roomId,
    timeline: timelines.get(roomId),
    details: details.get(roomId),
    ephemeral: ephemeral.rooms.get(roomId) ?? [],
    accountData: accountData.rooms.get(roomId) ?? [],
    unread: unread.get(roomId),
  })
  const events = spans.flatMap(({ part, timeline }) => [...timeline.events, ...(details.get(part.roomId)?.state ?? [])])
  const textOf = await presentAll(sources, view, events)
  const isStill = new Set(still)
  const inSection = (wanted: RoomPart['section']) => [...moved, ...still].filter(({ section }) => section === wanted)
  return {
    join: inSection('join')
      .filter((part) => isStill.has(part) || part.fresh || view.fullState || hasContents(contentsOf(part)))
      .map((part) => [part.roomId, joinedRoomText(view, contentsOf(part), textOf)]),
    leave: inSection('leave').map((part) => [part.roomId, otherRoomText(view, contentsOf(part), textOf)]),
    peek: inSection('peek').map((part) => [part.roomId, otherRoomText(view, contentsOf(part), textOf)]),
    memberChanges: changes,
  }
}

function joinedChanges(
  spans: readonly RoomSpan[],
  states: ReadonlyMap<RoomId, StateNews>,
): Map<RoomId, readonly StateChange[]> {
  const changes = new Map<RoomId, readonly StateChange[]>()
  for (const { part } of spans) {
    if (part.section === 'join') changes.set(part.roomId, states.get(part.roomId)?.changes ?? [])
  }
  return changes
}

async function readHeroes({ roomserver }: SyncSources, view: SyncView, spans: readonly RoomSpan[]): Promise<Heroes> {
  const roomIds = spans.filter(({ part }) => part.section === 'join').map(({ part }) => part.roomId)
  if (roomIds.length === 0) return new Map<RoomId, RoomSummary>()
  return roomserver.summaries(roomIds, view.requester.userId)
}

/** All events of a chunk at once, so that what their texts need is read together. */
async function presentAll(
  { roomserver, time }: SyncSources,
  view: SyncView,
  events: readonly RoomEvent[],
): Promise<(event: RoomEvent) => string> {
  const unique = [...new Set(events)]
  const pick = eventFieldsOf(view.filter.eventFields)
  const texts = view.filter.federationFormat
    ? unique.map(federationText)
    : await roomserver.present(unique, view.requester, { withoutRoomId: true, now: time.now() })
  const byEvent = new Map(unique.map((event, index) => [event, pick(texts[index] ?? '{}')]))
  return (event) => byEvent.get(event) ?? '{}'
}

/** The event as servers see it, with the ids that newer room versions leave out. */
function federationText({ pdu, eventId, roomId }: RoomEvent): string {
  const event = parseStoredJson(pdu.json)
  if (!isJsonObject(event)) return pdu.json
  return stringifyJson({ ...event, event_id: eventId, room_id: roomId })
}
