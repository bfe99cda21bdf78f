import type { Reports, RoomDirectory, RoomHistory, RoomRelations, RoomState } from './api.js'
import { Directory } from './directory/room-directory.js'
import { RelationReads } from './history/relation-reads.js'
import { HistoryReads } from './history/room-history.js'
import type { RoomInternals } from './internals.js'
import { StateReads } from './reads/room-state.js'
import { StoredReports } from './reports.js'

/** The parts of the room server that need no room's head. They follow the commits that `onCommitted` tells of. */
export interface ReadingHalf {
  readonly state: RoomState
  readonly history: RoomHistory
  readonly relations: RoomRelations
  readonly directory: RoomDirectory
  readonly reports: Reports
}

export function createReadingHalf(internals: RoomInternals): ReadingHalf {
  const state = new StateReads(internals)
  const history = new HistoryReads(internals, state)
  const relations = new RelationReads(internals, history)
  return { state, history, relations, directory: new Directory(internals), reports: new StoredReports(internals) }
}
