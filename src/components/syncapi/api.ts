import type { RoomId } from '../../protocol/ids.js'
import type { Requester } from '../userapi/index.js'

export interface SyncRequest {
  readonly requester: Requester
  /** As the client gave it. */
  readonly since: string | undefined
  /** JSON text of a filter, resolved from its id already. */
  readonly filter: string | undefined
  readonly fullState: boolean
  readonly setPresence: 'online' | 'offline' | 'unavailable'
  readonly timeoutMs: number
  /** Asked for under the stable or the unstable name: the answer uses the same. */
  readonly useStateAfter: 'no' | 'stable' | 'unstable'
  readonly signal: AbortSignal
}

export interface SyncApi {
  /** The whole answer of `GET /sync` as JSON text. @throws M_INVALID_PARAM for a malformed token or filter */
  sync(request: SyncRequest): Promise<string>
  /** Keys of other users that changed between two tokens, for `GET /keys/changes`. */
  keyChanges(requester: Requester, from: string, to: string): Promise<{ changed: string[]; left: string[] }>
  /** The device follows a world-readable room that its user is not in (MSC2753). @throws M_FORBIDDEN */
  peek(requester: Requester, roomId: RoomId): Promise<void>
  unpeek(requester: Requester, roomId: RoomId): Promise<void>
  start(): Promise<void>
  /** Long polls are answered at once with what there is. */
  stop(): Promise<void>
}
