import type { FederationClient } from '../../components/federationclient/index.js'
import type { ServerName } from '../../protocol/ids.js'
import { canonicalJson, FEDERATION_MAX_DEPTH, parseJson } from '../../protocol/json.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import { parseXMatrix, signedRequestText, type XMatrixCredentials } from '../../protocol/x-matrix.js'

/** Requests of other servers: who has signed them (SS "Request Authentication"). */
export interface ServerSignatures {
  /** What the header claims; nothing is verified yet, and the body need not have been read. @throws MatrixError M_UNAUTHORIZED */
  claimsOf(authorization: string | undefined): XMatrixCredentials
  /**
   * The server that has signed the request. May have to fetch its keys.
   * @throws MatrixError M_UNAUTHORIZED
   * @throws JsonError for a body that cannot have been signed
   */
  verify(claims: XMatrixCredentials, request: ReceivedRequest): Promise<ServerName>
}

export interface ReceivedRequest {
  readonly method: string
  /** As it came: path and query are what was signed, byte for byte. */
  readonly uri: string
  readonly body: Buffer
}

export function createServerSignatures(
  serverName: ServerName,
  federation: Pick<FederationClient, 'keys' | 'heardFrom'>,
): ServerSignatures {
  return {
    claimsOf(authorization) {
      const claims = parseXMatrix(authorization ?? '')
      if (claims === undefined) throw unauthorised('The request is not signed by a server')
      const { origin, destination } = claims
      if (destination !== undefined && destination !== serverName)
        throw unauthorised('The request is signed for another server')
      if (origin === serverName) throw unauthorised('The request claims to come from this server itself')
      return claims
    },
    async verify({ origin, keyId, signature }, { method, uri, body }) {
      const content =
        body.length === 0 ? {} : { content: canonicalJson(parseJson(body, { maxDepth: FEDERATION_MAX_DEPTH })) }
      const text = signedRequestText({ method, uri, origin, destination: serverName, ...content })
      const [verdict] = await federation.keys.verify([
        { server: origin, text, signatures: new Map([[keyId, signature]]), use: { kind: 'request' } },
      ])
      if (verdict === 'unknown-key') throw unauthorised(`The key ${keyId} of ${origin} could not be had`)
      if (verdict !== 'valid') throw unauthorised('The signature of the request is wrong')
      federation.heardFrom(origin)
      return origin
    },
  }
}

function unauthorised(message: string): MatrixError {
  return new MatrixError('M_UNAUTHORIZED', message)
}
