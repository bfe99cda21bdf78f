import { MatrixError } from '../../protocol/matrix-error.js'

const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])
const BROKEN = new Set(['EIO', 'EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EMFILE', 'ENFILE', 'ESTALE', 'ENODEV'])

/** What the file system has refused, as a client is told it; anything else as it is. */
export function diskError(error: unknown): unknown {
  const code = errorCode(error)
  if (code !== undefined && FULL.has(code)) {
    return new MatrixError('M_UNKNOWN', 'The server has no room for more files', { status: 507, cause: error })
  }
  if (code !== undefined && BROKEN.has(code)) {
    return new MatrixError('M_UNKNOWN', 'The server cannot store files at the moment', { status: 500, cause: error })
  }
  return error
}

export function isMissingFile(error: unknown): boolean {
  return errorCode(error) === 'ENOENT'
}

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
