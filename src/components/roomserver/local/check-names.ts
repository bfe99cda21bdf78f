import { fitsBytes, MAX_ID_BYTES } from '../../../protocol/ids.js'
import { MatrixError } from '../../../protocol/matrix-error.js'
import type { ClientTransaction, EventDraft } from '../api.js'

/**
 * Names are looked up and interned before the event is built: what no event may have must not get that far. CS API "Size
 * limits".
 * @throws MatrixError M_TOO_LARGE, M_INVALID_PARAM (a transaction id)
 */
export function checkNames({
  type,
  stateKey,
  transaction,
}: Pick<EventDraft, 'type' | 'stateKey'> & { readonly transaction?: ClientTransaction }): void {
  if (!fitsBytes(type, MAX_ID_BYTES)) throw new MatrixError('M_TOO_LARGE', 'The event type is longer than 255 bytes')
  if (stateKey !== undefined && !fitsBytes(stateKey, MAX_ID_BYTES)) {
    throw new MatrixError('M_TOO_LARGE', 'The state key is longer than 255 bytes')
  }
  if (transaction !== undefined && !fitsBytes(transaction.txnId, MAX_ID_BYTES)) {
    throw new MatrixError('M_INVALID_PARAM', 'The transaction id is longer than 255 bytes')
  }
}
