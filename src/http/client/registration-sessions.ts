import { LRUCache } from 'lru-cache'
import type { Clock } from '../../platform/time.js'
import type { DeviceId, UserId } from '../../protocol/ids.js'
import { SESSION_MS, SESSIONS } from '../auth/interactive-sessions.js'

/** What a registration asks for. Of the password only its hash is kept while the stages are gone through. */
export interface RegistrationOrder {
  readonly username?: string | undefined
  readonly passwordHash?: string | undefined
  readonly deviceId?: string | undefined
  readonly initialDeviceDisplayName?: string | undefined
  readonly inhibitLogin?: boolean | undefined
  readonly refreshable?: boolean | undefined
}

export interface Registered {
  readonly userId: UserId
  /** Undefined: nobody was logged in. */
  readonly deviceId: DeviceId | undefined
}

interface Entry {
  order: RegistrationOrder
  readonly expiresAt: number
  made: Promise<Registered> | undefined
}

/**
 * Registrations under way, by their session of user-interactive authentication: clients need to say once only what they
 * want (CS "User-Interactive Authentication API"), and one that has not heard the last answer may ask again.
 */
export class RegistrationSessions {
  readonly #time: Clock
  readonly #entries = new LRUCache<string, Entry>({ max: SESSIONS })

  constructor(time: Clock) {
    this.#time = time
  }

  /** All that has been asked for in this session; what is said again replaces what was said before. */
  remember(sessionId: string, given: RegistrationOrder): RegistrationOrder {
    const entry = this.#get(sessionId)
    if (entry === undefined) {
      this.#entries.set(sessionId, { order: given, expiresAt: this.#time.monotonic() + SESSION_MS, made: undefined })
      return given
    }
    const said = Object.entries(given).filter(([, value]) => value !== undefined)
    entry.order = { ...entry.order, ...Object.fromEntries(said) }
    return entry.order
  }

  /** The order and the account that the session has led to; undefined when there is none yet. */
  finished(sessionId: string): { readonly order: RegistrationOrder; readonly made: Promise<Registered> } | undefined {
    const entry = this.#get(sessionId)
    return entry?.made === undefined ? undefined : { order: entry.order, made: entry.made }
  }

  /** What fails may be tried again. */
  finish(sessionId: string, made: Promise<Registered>): void {
    const entry = this.#get(sessionId)
    if (entry === undefined) return
    entry.made = made
    made.catch(() => this.#entries.delete(sessionId))
  }

  #get(sessionId: string): Entry | undefined {
    const entry = this.#entries.get(sessionId)
    return entry !== undefined && entry.expiresAt > this.#time.monotonic() ? entry : undefined
  }
}
