import type { RoomServer, TopologicalToken } from '../components/roomserver/index.js'
import type { RoomId } from '../protocol/ids.js'
import { MatrixError } from '../protocol/matrix-error.js'

const TOPOLOGICAL = /^t(\d{1,16})_(-?\d{1,16})$/
const STREAM = /^s(\d{1,16})/

/** `t<depth>_<position>`: a place in the timeline of a room, as `/messages` and `/context` answer and `prev_batch` is. */
export function timelineToken({ depth, position }: TopologicalToken): string {
  return `t${Math.max(depth, 0)}_${position}`
}

/** The place that a token of these, or of `/sync`, stands for. @throws MatrixError M_INVALID_PARAM */
export async function readTimelineToken(
  roomserver: Pick<RoomServer, 'topologicalToken'>,
  roomId: RoomId,
  text: string,
): Promise<TopologicalToken> {
  const [, depth, position] = TOPOLOGICAL.exec(text) ?? []
  if (depth !== undefined && position !== undefined) return { depth: integer(depth), position: integer(position) }
  return roomserver.topologicalToken(roomId, readPosition(text))
}

/** The place on the one clock that a token of any kind has. @throws MatrixError M_INVALID_PARAM */
export function readPosition(text: string): number {
  const [, position] = STREAM.exec(text) ?? []
  const inTimeline = TOPOLOGICAL.exec(text)?.[2]
  return integer(position ?? inTimeline ?? '')
}

function integer(digits: string): number {
  const value = Number(digits)
  if (digits === '' || !Number.isSafeInteger(value)) {
    throw new MatrixError('M_INVALID_PARAM', 'This is no token of this server')
  }
  return value
}
