import type { Log } from './log.js'
import type { Clock } from './time.js'

/** A part that is started after those before it and stopped before them. */
export interface Part {
  readonly name: string
  start?(): Promise<void>
  /** `deadline` fires when the time for the whole shutdown is up: what is still running is then abandoned. */
  stop?(deadline: AbortSignal): Promise<void>
}

export interface Lifecycle {
  /** In the order of dependency: the database first, the listener last. */
  add(part: Part): void
  /** When one fails, those before it are stopped again and the error is thrown. */
  start(): Promise<void>
  /** In the reverse order. Never throws; a part that fails or is late is logged and left behind. Once only. */
  stop(): Promise<void>
}

/** Of the whole shutdown. The last of it is kept for the first parts (the database), which are stopped last. */
const SHUTDOWN_MS = 5_000
const RESERVED_MS = 1_000

export function createLifecycle(clock: Clock, log: Log): Lifecycle {
  const parts: Part[] = []
  let started = 0
  let stopping: Promise<void> | undefined

  const stopPart = async (part: Part, leftMs: number): Promise<void> => {
    if (part.stop === undefined) return
    const deadline = new AbortController()
    const timeUp = clock.after(leftMs, () => deadline.abort())
    const late = new Promise<'late'>((resolve) => {
      deadline.signal.addEventListener('abort', () => resolve('late'), { once: true })
    })
    try {
      const ended = await Promise.race([part.stop(deadline.signal).then(() => 'stopped' as const), late])
      if (ended === 'late') log.warn({ part: part.name }, 'did not stop in time')
    } catch (error) {
      log.error({ err: error, part: part.name }, 'stopping failed')
    } finally {
      timeUp()
    }
  }

  const stopAll = async (): Promise<void> => {
    const since = clock.monotonic()
    for (let index = started - 1; index >= 0; index--) {
      const part = parts[index]
      if (part === undefined) continue
      const left = SHUTDOWN_MS - (clock.monotonic() - since)
      await stopPart(part, Math.max(left - (index > 0 ? RESERVED_MS : 0), 100))
    }
  }

  return {
    add(part) {
      parts.push(part)
    },
    async start() {
      for (const part of parts) {
        try {
          await part.start?.()
          started++
        } catch (error) {
          await this.stop()
          throw error
        }
      }
    },
    stop() {
      stopping ??= stopAll()
      return stopping
    },
  }
}
