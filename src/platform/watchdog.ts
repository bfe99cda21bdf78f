import type { Log } from './log.js'

/** Sees when the event loop stood still: long synchronous work, a starved machine, a stopped process. */
export interface Watchdog {
  /** False while a block was seen within the last seconds. */
  readonly healthy: boolean
  /** The longest block since the start, in milliseconds. */
  readonly longestBlockMs: number
  readonly blocks: number
  stop(): void
}

export interface WatchdogOptions {
  readonly log: Log
  /** A delay above this is a block. */
  readonly blockMs?: number
  /** How long one is shown after it. */
  readonly unhealthyForMs?: number
  /** How often it looks. */
  readonly everyMs?: number
}

export function startWatchdog(options: WatchdogOptions): Watchdog {
  const { log, blockMs = 1_000, unhealthyForMs = 5_000, everyMs = 250 } = options
  let expected = performance.now() + everyMs
  let lastBlockAt = Number.NEGATIVE_INFINITY
  let longestBlockMs = 0
  let blocks = 0
  const timer = setInterval(() => {
    const now = performance.now()
    const late = now - expected
    expected = now + everyMs
    longestBlockMs = Math.max(longestBlockMs, late)
    if (late < blockMs) return
    blocks++
    lastBlockAt = now
    log.warn({ blocked_ms: Math.round(late) }, 'the event loop was blocked')
  }, everyMs)
  timer.unref()
  return {
    get healthy() {
      // Asked before the timer came round after a block.
      return performance.now() - lastBlockAt > unhealthyForMs && performance.now() - expected < blockMs
    },
    get longestBlockMs() {
      return longestBlockMs
    },
    get blocks() {
      return blocks
    },
    stop: () => clearInterval(timer),
  }
}
