import { MatrixError } from '../../protocol/matrix-error.js'
import type { TopologicalToken } from '../roomserver/index.js'

/**
 * Tokens of `/sync` are `s<position>`: everything up to that place on the one clock has been told. They hold nothing of
 * the user, so one that was given to somebody else shows its owner nothing but their own data from that place on.
 */
const TOKEN = /^s(\d{1,16})$/

/** Dendrite's: nine positions of streams that this server does not have. */
const DENDRITE_TOKEN = /^s\d+(?:_\d+){1,11}$/

export function formatToken(position: number): string {
  return `s${position}`
}

/** A place in the topological order, for `/messages`. */
export function formatTopologicalToken({ depth, position }: TopologicalToken): string {
  return `t${depth}_${position}`
}

/**
 * Undefined means that the client has to start anew, which it does when it is answered as if it had sent no token: with
 * one of Dendrite's, or one from the future, that was given out before the database went back to a backup.
 * @throws MatrixError M_INVALID_PARAM
 */
export function parseToken(token: string, visible: number): number | undefined {
  if (DENDRITE_TOKEN.test(token)) return undefined
  const position = Number(TOKEN.exec(token)?.[1])
  if (!Number.isSafeInteger(position)) throw new MatrixError('M_INVALID_PARAM', 'The token is not one of /sync')
  return position > visible ? undefined : position
}
