import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parseJson } from '../../../src/protocol/json.js'
import { resolveState } from '../../../src/protocol/state-resolution/index.js'
import { versionsIn } from '../../support/pdu-factory.js'
import { StateRoom, type StateSketch } from '../../support/state-scenario.js'

interface Scenario {
  readonly name: string
  readonly events: Readonly<Record<string, StateSketch>>
  readonly sets: readonly (readonly string[])[]
  readonly rejected?: readonly string[]
  /** By room versions; those that are not named are not tried. */
  readonly expect: Readonly<Record<string, readonly string[]>>
}

const fixture = readFileSync(new URL('../../fixtures/state-resolution/scenarios.json', import.meta.url))
const { room, scenarios } = parseJson(fixture) as unknown as {
  room: Record<string, StateSketch>
  scenarios: Scenario[]
}

describe('state resolution', () => {
  for (const scenario of scenarios) {
    it(scenario.name, () => {
      for (const [range, expected] of Object.entries(scenario.expect)) {
        for (const version of versionsIn(range)) {
          const events = new StateRoom(version, { ...room, ...scenario.events })
          const rejected = new Set((scenario.rejected ?? []).map((label) => events.labelled(label).eventId))
          const sets = scenario.sets.map((labels) => events.state(labels))
          for (const ordered of [sets, sets.toReversed()]) {
            const resolved = resolveState(
              version,
              ordered,
              (id) => events.event(id),
              (id) => rejected.has(id),
            )
            expect(events.labels(resolved), `version ${version.id}`).toEqual([...expected].sort())
          }
        }
      }
    })
  }
})
