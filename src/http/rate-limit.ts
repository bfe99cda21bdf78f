import { LRUCache } from 'lru-cache'
import type { Requester } from '../components/userapi/index.js'
import type { RateLimitingConfig } from '../config/schema.js'
import type { Clock } from '../platform/time.js'
import { limitExceeded } from '../protocol/matrix-error.js'

/** Callers remembered per limit. One that is forgotten starts afresh: harmless, since only an idle one is. */
const CALLERS = 20_000

/** `burst` at once, then one per `intervalMs`. Time is monotonic. */
export class TokenBuckets {
  readonly #burst: number
  readonly #intervalMs: number
  readonly #time: Clock
  /** When the caller would have all its tokens back. */
  readonly #fullAt = new LRUCache<string, number>({ max: CALLERS })

  constructor(burst: number, intervalMs: number, time: Clock) {
    this.#burst = burst
    this.#intervalMs = intervalMs
    this.#time = time
  }

  /** Milliseconds until there is a token again; 0: there is one now. */
  wait(key: string): number {
    const now = this.#time.monotonic()
    const fullAt = this.#fullAt.get(key) ?? now
    return Math.max(0, fullAt + this.#intervalMs - now - this.#burst * this.#intervalMs)
  }

  take(key: string): void {
    const now = this.#time.monotonic()
    this.#fullAt.set(key, Math.max(this.#fullAt.get(key) ?? now, now) + this.#intervalMs)
  }

  /** Takes a token. @throws MatrixError M_LIMIT_EXCEEDED */
  check(key: string): void {
    const wait = this.wait(key)
    if (wait > 0) throw limitExceeded(wait)
    this.take(key)
  }
}

/** Times of a caller's last requests, as a ring. */
interface Slots {
  readonly times: number[]
  next: number
}

/** Dendrite's limiter: each caller has `threshold` slots; a request takes one and frees it `cooloff_ms` later. */
class SlotLimiter {
  readonly #threshold: number
  readonly #cooloffMs: number
  readonly #time: Clock
  readonly #callers = new LRUCache<string, Slots>({ max: CALLERS })

  constructor(threshold: number, cooloffMs: number, time: Clock) {
    this.#threshold = threshold
    this.#cooloffMs = cooloffMs
    this.#time = time
  }

  check(key: string): void {
    let slots = this.#callers.get(key)
    if (slots === undefined) {
      slots = { times: [], next: 0 }
      this.#callers.set(key, slots)
    }
    const now = this.#time.monotonic()
    const oldest = slots.times[slots.next]
    if (oldest !== undefined && now - oldest < this.#cooloffMs) throw limitExceeded(oldest + this.#cooloffMs - now)
    slots.times[slots.next] = now
    slots.next = (slots.next + 1) % this.#threshold
  }
}

/** What limits there are; all of them are off when `rate_limiting.enabled` is false. */
export interface RateLimits {
  /** @throws MatrixError M_LIMIT_EXCEEDED with `retry_after_ms` */
  check(bucket: 'client' | 'login' | 'register', requester: Requester | undefined, clientAddress: string): void
  /** Asked before a password is compared. @throws MatrixError M_LIMIT_EXCEEDED after too many wrong ones */
  checkPasswordAttempts(account: string, clientAddress: string): void
  passwordFailed(account: string, clientAddress: string): void
}

export function createRateLimits(config: RateLimitingConfig, time: Clock): RateLimits {
  if (!config.enabled) {
    return { check: () => undefined, checkPasswordAttempts: () => undefined, passwordFailed: () => undefined }
  }
  const exempt = new Set<string>(config.exempt_user_ids)
  const client = new SlotLimiter(config.threshold, config.cooloff_ms, time)
  const logins = new TokenBuckets(20, 3_000, time)
  const registrations = new TokenBuckets(10, 6_000, time)
  // One who guesses is slowed by where they are; a whole botnet by the account it is after, and no single failure of a
  // stranger locks the owner out.
  const failuresHere = new TokenBuckets(5, 6_000, time)
  const failuresAnywhere = new TokenBuckets(100, 2_000, time)

  return {
    check(bucket, requester, clientAddress) {
      if (bucket === 'login') return logins.check(clientAddress)
      if (bucket === 'register') return registrations.check(clientAddress)
      if (requester === undefined) return client.check(clientAddress)
      const isExempt = requester.accountType === 'admin' || requester.accountType === 'appservice'
      if (isExempt || exempt.has(requester.userId)) return
      client.check(`${requester.userId} ${requester.deviceId}`)
    },
    checkPasswordAttempts(account, clientAddress) {
      const wait = Math.max(failuresHere.wait(`${clientAddress} ${account}`), failuresAnywhere.wait(account))
      if (wait > 0) throw limitExceeded(wait)
    },
    passwordFailed(account, clientAddress) {
      failuresHere.take(`${clientAddress} ${account}`)
      failuresAnywhere.take(account)
    },
  }
}
