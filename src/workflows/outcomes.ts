import { MatrixError } from '../protocol/matrix-error.js'

/**
 * Of a batch in which each event succeeds or fails by itself: a room's refusal (MatrixError) is that room's affair, anything
 * else (the database is away) is thrown, so that the whole is tried again.
 */
export function throwUnexpected(outcomes: readonly PromiseSettledResult<unknown>[]): void {
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected' && !(outcome.reason instanceof MatrixError)) throw outcome.reason
  }
}
