import { closeSync, fstatSync, mkdirSync, openSync, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import pino from 'pino'

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'

interface LogMethod {
  (message: string): void
  (fields: object, message: string): void
}

/** What every part logs with: `log.warn({ room_id }, 'event parked')`. An `err` field is written with its stack. */
export interface Log {
  readonly trace: LogMethod
  readonly debug: LogMethod
  readonly info: LogMethod
  readonly warn: LogMethod
  readonly error: LogMethod
  readonly fatal: LogMethod
  /** A log that adds `component` to each line. */
  child(component: string): Log
}

/** One place that lines go to: the terminal, or a file that an outside rotation may move away. */
export interface LogOutput {
  readonly type: 'std' | 'file'
  readonly level: LogLevel
  /** Of a file. Its folder is made when missing. */
  readonly path?: string
}

export interface OpenLog extends Log {
  /** Lines that could not be written (disk full, broken pipe). */
  readonly dropped: number
  /** Tries all files, and says of each that cannot be written why. */
  failures(): readonly string[]
  close(): void
}

/** Fields whose values are never written, at the top and one level below. */
const SECRET_FIELDS = [
  'password',
  'new_password',
  'access_token',
  'refresh_token',
  'token',
  'authorization',
  'secret',
  'registration_shared_secret',
  'connection_string',
  'as_token',
  'hs_token',
]

/** After a failed write the file is opened anew at most this often; lines in between are counted and dropped. */
const REOPEN_AFTER_MS = 1_000

/**
 * Writes lines synchronously: a crash loses none that was logged before it, and a full disk or a broken pipe costs
 * the line (counted), never the caller.
 */
class LineWriter {
  dropped = 0
  readonly #path: string | undefined
  #descriptor: number | undefined
  #inode = 0
  #failedAt = Number.NEGATIVE_INFINITY
  #checkedAt = 0

  constructor(path: string | undefined) {
    this.#path = path
    this.#descriptor = path === undefined ? 1 : undefined
  }

  write(line: string): void {
    try {
      const descriptor = this.#open()
      if (descriptor === undefined) this.dropped++
      else this.#writeAll(descriptor, Buffer.from(line))
    } catch {
      this.dropped++
      this.#failedAt = performance.now()
      this.close()
    }
  }

  failure(): string | undefined {
    try {
      this.#failedAt = Number.NEGATIVE_INFINITY
      this.#open()
      return undefined
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  }

  close(): void {
    if (this.#path === undefined || this.#descriptor === undefined) return
    const descriptor = this.#descriptor
    this.#descriptor = undefined
    try {
      closeSync(descriptor)
    } catch {
      // The descriptor is gone either way.
    }
  }

  /** A short write is a full disk or a full pipe: the rest of the line follows, or the attempt fails. */
  #writeAll(descriptor: number, bytes: Buffer): void {
    for (let offset = 0; offset < bytes.length; ) offset += writeSync(descriptor, bytes, offset)
  }

  #open(): number | undefined {
    if (this.#path === undefined) return this.#descriptor
    const now = performance.now()
    if (now - this.#failedAt < REOPEN_AFTER_MS) return undefined
    if (this.#descriptor !== undefined && now - this.#checkedAt > REOPEN_AFTER_MS) this.#reopenIfMoved(this.#path, now)
    if (this.#descriptor === undefined) {
      mkdirSync(dirname(this.#path), { recursive: true })
      this.#descriptor = openSync(this.#path, 'a', 0o640)
      this.#inode = fstatSync(this.#descriptor).ino
      this.#checkedAt = now
    }
    return this.#descriptor
  }

  #reopenIfMoved(path: string, now: number): void {
    this.#checkedAt = now
    if (statSync(path, { throwIfNoEntry: false })?.ino !== this.#inode) this.close()
  }
}

/** Without outputs everything from `info` on goes to the terminal. */
export function openLog(outputs: readonly LogOutput[]): OpenLog {
  const chosen: readonly LogOutput[] = outputs.length > 0 ? outputs : [{ type: 'std', level: 'info' }]
  const writers = chosen.map((output) => ({
    level: output.level,
    stream: new LineWriter(output.type === 'file' ? output.path : undefined),
  }))
  const lowest = pino.levels.labels[Math.min(...chosen.map(({ level }) => pino.levels.values[level] ?? 30))] ?? 'info'
  const logger = pino(
    {
      level: lowest,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: pino.stdSerializers.err },
      redact: { paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`]), censor: '[redacted]' },
    },
    pino.multistream(writers),
  )
  return new PinoLog(
    logger,
    writers.map(({ stream }) => stream),
  )
}

class PinoLog implements OpenLog {
  readonly trace: LogMethod
  readonly debug: LogMethod
  readonly info: LogMethod
  readonly warn: LogMethod
  readonly error: LogMethod
  readonly fatal: LogMethod
  readonly #logger: pino.Logger
  readonly #writers: readonly LineWriter[]

  constructor(logger: pino.Logger, writers: readonly LineWriter[]) {
    this.#logger = logger
    this.#writers = writers
    this.trace = this.#method('trace')
    this.debug = this.#method('debug')
    this.info = this.#method('info')
    this.warn = this.#method('warn')
    this.error = this.#method('error')
    this.fatal = this.#method('fatal')
  }

  get dropped(): number {
    return this.#writers.reduce((sum, writer) => sum + writer.dropped, 0)
  }

  failures(): readonly string[] {
    return this.#writers.flatMap((writer) => writer.failure() ?? [])
  }

  child(component: string): Log {
    return new PinoLog(this.#logger.child({ component }), this.#writers)
  }

  close(): void {
    for (const writer of this.#writers) writer.close()
  }

  /** Logging never throws, not even on a field whose getter does. */
  #method(level: LogLevel): LogMethod {
    return (first: object | string, message?: string) => {
      try {
        if (typeof first === 'string') this.#logger[level](first)
        else this.#logger[level](first, message)
      } catch {
        for (const writer of this.#writers) writer.dropped++
      }
    }
  }
}
