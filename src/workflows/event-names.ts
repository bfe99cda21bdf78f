import { fitsBytes, MAX_ID_BYTES } from '../protocol/ids.js'
import { MatrixError } from '../protocol/matrix-error.js'

/** CS "Size limits", before anything is looked up or stored by these names. @throws MatrixError M_TOO_LARGE */
export function checkEventNames(type: string, stateKey = ''): void {
  if (!fitsBytes(type, MAX_ID_BYTES)) throw new MatrixError('M_TOO_LARGE', 'An event type may have 255 bytes')
  if (!fitsBytes(stateKey, MAX_ID_BYTES)) throw new MatrixError('M_TOO_LARGE', 'A state key may have 255 bytes')
}
