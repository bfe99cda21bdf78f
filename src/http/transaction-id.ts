import type { ClientTransaction } from '../components/roomserver/index.js'
import type { Requester } from '../components/userapi/index.js'
import { fitsBytes, MAX_ID_BYTES } from '../protocol/ids.js'
import { MatrixError } from '../protocol/matrix-error.js'

/**
 * The key under which a repeated request finds what it has made: device and path without the transaction id (CS
 * "Transaction identifiers"). A repetition under another version of the path (`r0`) is the same request.
 * @throws MatrixError M_INVALID_PARAM for an id of more than 255 bytes
 */
export function transactionOf(request: {
  readonly path: string
  readonly params: Readonly<Record<string, string>> & { readonly txnId: string }
  readonly user: Requester
}): ClientTransaction {
  const { params, user } = request
  if (!fitsBytes(params.txnId, MAX_ID_BYTES)) {
    throw new MatrixError('M_INVALID_PARAM', 'A transaction ID may have 255 bytes')
  }
  const path = request.path
    .replace('/{txnId}', '')
    .replace(/\{(\w+)\}/g, (_whole, name: string) => encodeURIComponent(params[name] ?? ''))
  return { userId: user.userId, deviceId: user.deviceId, path, txnId: params.txnId }
}
