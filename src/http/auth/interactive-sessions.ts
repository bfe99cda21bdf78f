import { randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../../platform/time.js'
import type { UserId } from '../../protocol/ids.js'
import { MatrixError } from '../../protocol/matrix-error.js'

/**
 * What has been proved so far. It lives in memory: when it is lost the client starts over. It holds neither the request's
 * body nor any password.
 */
export interface InteractiveSession {
  readonly id: string
  /** The request it was opened for: method, path, parameters and user. Good for no other. */
  readonly boundTo: string
  readonly flows: readonly (readonly string[])[]
  readonly completed: Set<string>
  readonly expiresAt: number
  /** Of `m.login.registration_token`. */
  registrationToken: string | undefined
  userId: UserId | undefined
}

export const SESSION_MS = 15 * 60_000
export const SESSIONS = 10_000

export class InteractiveSessions {
  readonly #time: Clock
  readonly #sessions = new LRUCache<string, InteractiveSession>({ max: SESSIONS })

  constructor(time: Clock) {
    this.#time = time
  }

  get(id: string): InteractiveSession | undefined {
    const session = this.#sessions.get(id)
    return session !== undefined && session.expiresAt > this.#time.monotonic() ? session : undefined
  }

  /** The one that is named, when it is known, else a new one. @throws MatrixError M_FORBIDDEN for another request's */
  open(
    id: string | undefined,
    request: Pick<InteractiveSession, 'boundTo' | 'flows'> & { readonly userId: UserId | undefined },
  ): InteractiveSession {
    const known = id === undefined ? undefined : this.get(id)
    if (known !== undefined) {
      if (known.boundTo === request.boundTo) return known
      throw new MatrixError('M_FORBIDDEN', 'This authentication session was opened for another request')
    }
    const opened: InteractiveSession = {
      ...request,
      id: randomBytes(18).toString('base64url'),
      completed: new Set(),
      expiresAt: this.#time.monotonic() + SESSION_MS,
      registrationToken: undefined,
    }
    this.#sessions.set(opened.id, opened)
    return opened
  }

  /** Deleting is what uses it up: of two requests at the same time one is the first. */
  use(session: InteractiveSession): boolean {
    return this.#sessions.delete(session.id)
  }
}
