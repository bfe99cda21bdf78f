import type { Change } from '../../platform/change-feed.js'

const MAX_CHANGES = 20_000

/**
 * The last changes of one stream, by position. The feed can say whether a given key has changed; this says which keys
 * have, where asking for each (everybody who shares a room with the user) would cost more than the answer.
 */
export class RecentChanges {
  readonly #stream: string
  /** Before this nothing is known. */
  #floor: number
  #changes: { readonly position: number; readonly key: string }[] = []

  constructor(stream: string, floor: number) {
    this.#stream = stream
    this.#floor = floor
  }

  /** Changes as the feed gives them: in the order of their positions. */
  add(changes: readonly Change[]): void {
    for (const { stream, position, keys } of changes) {
      if (stream !== this.#stream) continue
      for (const key of keys) this.#changes.push({ position, key })
    }
    if (this.#changes.length <= 2 * MAX_CHANGES) return
    const dropped = this.#changes.length - MAX_CHANGES
    this.#floor = this.#changes[dropped - 1]?.position ?? this.#floor
    this.#changes = this.#changes.slice(dropped)
  }

  /** Keys that changed in (after, upTo]; undefined when that is longer ago than what is known. */
  between(after: number, upTo: number): Set<string> | undefined {
    if (after < this.#floor) return undefined
    const keys = new Set<string>()
    for (let index = this.#changes.length - 1; index >= 0; index--) {
      const change = this.#changes[index]
      if (change === undefined || change.position <= after) break
      if (change.position <= upTo) keys.add(change.key)
    }
    return keys
  }
}
