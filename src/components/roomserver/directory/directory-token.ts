import { MatrixError } from '../../../protocol/matrix-error.js'

/**
 * A place in the directory: just after, or just before, where a room with so many members stands. Rooms that grow or
 * come meanwhile shift nothing.
 */
export interface DirectoryToken {
  readonly direction: 'after' | 'before'
  readonly joinedMembers: number
  readonly roomId: string
}

const MARK = { after: 'n', before: 'p' } as const

export function writeDirectoryToken({ direction, joinedMembers, roomId }: DirectoryToken): string {
  return `${MARK[direction]}${joinedMembers}_${Buffer.from(roomId).toString('base64url')}`
}

/** @throws MatrixError M_INVALID_PARAM */
export function readDirectoryToken(token: string): DirectoryToken {
  const [, mark, members, room] = /^([np])(\d{1,9})_([A-Za-z0-9_-]{1,400})$/.exec(token) ?? []
  if (members === undefined || room === undefined)
    throw new MatrixError('M_INVALID_PARAM', 'Not a token of the directory')
  const direction = mark === MARK.after ? 'after' : 'before'
  return { direction, joinedMembers: Number(members), roomId: Buffer.from(room, 'base64url').toString() }
}
