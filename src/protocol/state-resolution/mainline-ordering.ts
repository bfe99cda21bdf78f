import type { EventId } from '../ids.js'
import type { ResolutionSource } from './source.js'

/**
 * Mainline ordering: events that rest on an earlier power levels event of the mainline go first, then the earlier time,
 * then the smaller event id. Room version 2, "Mainline ordering".
 *
 * @param powerLevels the power levels event of the partially resolved state; without one all positions are equal
 */
export function sortByMainline(
  ids: Iterable<EventId>,
  powerLevels: EventId | undefined,
  source: ResolutionSource,
): EventId[] {
  const positions = mainlinePositions(powerLevels, source)
  const entries: { id: EventId; position: number; originServerTs: number }[] = []
  for (const id of ids) {
    const event = source.event(id)
    if (event) entries.push({ id, position: positionOf(id, positions, source), originServerTs: event.originServerTs })
  }
  entries.sort((a, b) => {
    if (a.position !== b.position) return a.position > b.position ? -1 : 1
    if (a.originServerTs !== b.originServerTs) return a.originServerTs - b.originServerTs
    return a.id < b.id ? -1 : 1
  })
  return entries.map((entry) => entry.id)
}

/** Position of each event of the mainline, 0 for the newest. Later also of all events met on the way to it. */
function mainlinePositions(powerLevels: EventId | undefined, source: ResolutionSource): Map<EventId, number> {
  const positions = new Map<EventId, number>()
  for (let id = powerLevels; id !== undefined && !positions.has(id); id = powerLevelsCitedBy(id, source)) {
    positions.set(id, positions.size)
  }
  return positions
}

/**
 * The place where the power levels behind an event meet the mainline; infinite when they never do. Every power levels
 * event that is passed keeps the answer, so that many events on one long side branch cost one walk.
 */
function positionOf(id: EventId, positions: Map<EventId, number>, source: ResolutionSource): number {
  const passed: EventId[] = []
  let position = Number.POSITIVE_INFINITY
  for (let next = powerLevelsCitedBy(id, source); next !== undefined; next = powerLevelsCitedBy(next, source)) {
    const known = positions.get(next)
    if (known !== undefined) {
      position = known
      break
    }
    passed.push(next)
    // Entered at once: an event that is met again on the same way closes a circle, and has no way to the mainline.
    positions.set(next, Number.POSITIVE_INFINITY)
  }
  for (const event of passed) positions.set(event, position)
  return position
}

function powerLevelsCitedBy(id: EventId, source: ResolutionSource): EventId | undefined {
  for (const cited of source.authEvents(id) ?? []) {
    const event = source.event(cited)
    if (event?.type === 'm.room.power_levels' && event.stateKey === '') return cited
  }
  return undefined
}
