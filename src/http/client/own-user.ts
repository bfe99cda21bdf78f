import type { Requester } from '../../components/userapi/index.js'
import { MatrixError } from '../../protocol/matrix-error.js'

/** Paths that name a user whom nobody else may act for. @throws MatrixError M_FORBIDDEN */
export function requireOwn(user: Requester, userId: string): void {
  if (user.userId !== userId) throw new MatrixError('M_FORBIDDEN', 'This belongs to another user')
}
