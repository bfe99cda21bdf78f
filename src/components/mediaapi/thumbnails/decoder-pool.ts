import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Log } from '../../../platform/log.js'
import type { Clock } from '../../../platform/time.js'
import { limitExceeded, MatrixError } from '../../../protocol/matrix-error.js'
import { type DecoderAnswer, type DecoderRequest, OVER_MEMORY } from './protocol.js'

/** A picture that takes longer is given up, and the process with it. */
const TIME_LIMIT_MS = 30_000
/** Without work for so long, a process ends: it weighs as much as a small server. */
const IDLE_MS = 15_000
/** Requests that wait for a process. */
const MOST_WAITING = 1_000
const RETRY_MS = 2_000

const MEGABYTE = 1024 ** 2
/** What decoding takes for nearly all pictures; on small machines there is no more. */
const LEAST_MEMORY = 50 * MEGABYTE
const MOST_MEMORY = 256 * MEGABYTE
/** Of the machine's memory: for one process, and for all of them. */
const SHARE = 0.16
const SHARE_OF_ALL = 0.25
/**
 * What Node and its threads reserve without using it: the hard limit leaves room for that. Since version 22 V8 reserves
 * several times as much, and what a decoder may really use is up to its look at itself.
 */
const RESERVED = (Number.parseInt(process.versions.node, 10) > 20 ? 1_024 : 192) * MEGABYTE

interface Job {
  readonly request: DecoderRequest
  readonly resolve: (answer: DecoderAnswer) => void
  readonly reject: (error: unknown) => void
}

/** Processes that decode pictures, started when there is work: at most `processes` at a time, one picture each. */
export class DecoderPool {
  readonly #time: Clock
  readonly #log: Log
  readonly #most: number
  readonly #memory: number
  readonly #wanted: Job[] = []
  /** What nobody waits for yet. */
  readonly #inAdvance: Job[] = []
  readonly #idle: Decoder[] = []
  readonly #all = new Set<Decoder>()
  #stopped = false

  constructor(processes: number, time: Clock, log: Log) {
    const machine = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY)
    this.#memory = Math.min(Math.max(machine * SHARE, LEAST_MEMORY), MOST_MEMORY)
    const affordable = Math.floor((machine * SHARE_OF_ALL) / this.#memory)
    this.#most = Math.max(1, Math.min(processes, availableParallelism(), affordable))
    this.#time = time
    this.#log = log
  }

  /** Refused and crashed alike are answers. @throws MatrixError M_LIMIT_EXCEEDED, M_UNKNOWN (503) when the server stops */
  ask(request: DecoderRequest, urgency: 'wanted' | 'in-advance' = 'wanted'): Promise<DecoderAnswer> {
    if (this.#stopped) return Promise.reject(stopping())
    const queue = urgency === 'wanted' ? this.#wanted : this.#inAdvance
    if (queue.length >= MOST_WAITING) {
      return Promise.reject(limitExceeded(RETRY_MS, 'Too many thumbnails are being made'))
    }
    return new Promise((resolve, reject) => {
      queue.push({ request, resolve, reject })
      this.#dispatch()
    })
  }

  /** Ends the processes and whatever waits for them. */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const job of [...this.#wanted.splice(0), ...this.#inAdvance.splice(0)]) job.reject(stopping())
    await Promise.all([...this.#all].map((decoder) => decoder.end()))
  }

  #dispatch(): void {
    while (this.#wanted.length + this.#inAdvance.length > 0) {
      const decoder = this.#idle.pop() ?? this.#start()
      if (decoder === undefined) return
      const job = this.#wanted.shift() ?? this.#inAdvance.shift()
      if (job !== undefined) void this.#run(decoder, job)
    }
  }

  async #run(decoder: Decoder, job: Job): Promise<void> {
    const isFresh = decoder.isFresh
    const answer = await decoder.run(job.request)
    if (!decoder.hasEnded) {
      this.#idle.push(decoder)
      decoder.rest(IDLE_MS)
    }
    if (answer !== 'ended') job.resolve(answer)
    else if (this.#stopped) job.reject(stopping())
    // What earlier pictures have left in a process must not be laid at the door of this one.
    else if (!isFresh && !decoder.isLate) this.#wanted.unshift(job)
    else job.resolve(this.#blame(decoder, job))
    if (!this.#stopped) this.#dispatch()
  }

  #blame(decoder: Decoder, { request }: Job): DecoderAnswer {
    const { exitCode, isLate } = decoder
    this.#log.warn(
      { file: request.file, code: exitCode, late: isLate },
      'a picture has ended the process that decodes it',
    )
    return { refused: exitCode === OVER_MEMORY ? 'too-large' : 'not-decodable' }
  }

  /** However it has come to its end: there is room for another. */
  #forget(decoder: Decoder): void {
    this.#all.delete(decoder)
    const index = this.#idle.indexOf(decoder)
    if (index >= 0) this.#idle.splice(index, 1)
    if (!this.#stopped) this.#dispatch()
  }

  #start(): Decoder | undefined {
    if (this.#all.size >= this.#most) return undefined
    const decoder = new Decoder(this.#memory, this.#time, this.#log, (ended) => this.#forget(ended))
    this.#all.add(decoder)
    return decoder
  }
}

/** One process. */
class Decoder {
  hasEnded = false
  /** It has decoded nothing yet. */
  isFresh = true
  /** It was ended for taking too long. */
  isLate = false
  exitCode: number | null = null
  readonly #child: ChildProcess
  readonly #time: Clock
  readonly #ended: Promise<void>
  #cancelRest: () => void = () => undefined

  constructor(memory: number, time: Clock, log: Log, onEnd: (decoder: Decoder) => void) {
    this.#time = time
    this.#child = startProcess(memory)
    this.#ended = new Promise((resolve) => {
      const ended = (code: number | null): void => {
        this.hasEnded = true
        this.exitCode = code
        resolve()
        onEnd(this)
      }
      this.#child.once('exit', ended)
      this.#child.once('error', (error) => {
        log.error({ err: error }, 'the process that decodes pictures could not be started')
        ended(null)
      })
    })
    // It must not keep a server alive that has nothing else to do.
    this.#child.unref()
    this.#child.channel?.unref()
  }

  /** Never rejects. `ended`: the process has died of it, or before it. */
  async run(request: DecoderRequest): Promise<DecoderAnswer | 'ended'> {
    this.#cancelRest()
    this.isFresh = false
    let onMessage: (answer: unknown) => void = () => undefined
    const answered = new Promise<DecoderAnswer>((resolve) => {
      onMessage = (answer) => resolve(answer as DecoderAnswer)
      this.#child.once('message', onMessage)
    })
    const cancelLimit = this.#time.after(TIME_LIMIT_MS, () => {
      this.isLate = true
      this.#child.kill('SIGKILL')
    })
    this.#child.send(request, () => undefined)
    const answer = await Promise.race([answered, this.#ended])
    cancelLimit()
    this.#child.off('message', onMessage)
    return answer ?? 'ended'
  }

  /** Ends it after `ms`, unless there is work before. */
  rest(ms: number): void {
    this.#cancelRest = this.#time.after(ms, () => void this.end())
  }

  end(): Promise<void> {
    this.#cancelRest()
    this.#child.kill('SIGKILL')
    return this.#ended
  }
}

/**
 * With nothing of our environment, in which there may be secrets. Where there is a shell, the system keeps a process that
 * allocates at once more than it may look at itself (`ulimit -d`), and writes no core of what people have uploaded.
 */
function startProcess(memory: number): ChildProcess {
  const args = [
    '--max-old-space-size=32',
    '--max-semi-space-size=1',
    '--v8-pool-size=1',
    decoderProgram(),
    String(Math.floor(memory)),
  ]
  const options = {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'] as ['ignore', 'ignore', 'ignore', 'ipc'],
    serialization: 'advanced' as const,
    env: { UV_THREADPOOL_SIZE: '1', MALLOC_ARENA_MAX: '1' },
    cwd: '/',
  }
  if (!existsSync('/bin/sh')) return spawn(process.execPath, args, options)
  const limits = `ulimit -c 0; ulimit -d ${Math.ceil((memory + RESERVED) / 1024)}; exec "$0" "$@"`
  return spawn('/bin/sh', ['-c', limits, process.execPath, ...args], options)
}

/** Beside this file; when that is run from its source, the compiled one. */
function decoderProgram(): string {
  const path = fileURLToPath(new URL('./decoder.js', import.meta.url))
  return existsSync(path) ? path : path.replace('/src/components/', '/dist/components/')
}

function stopping(): MatrixError {
  return new MatrixError('M_UNKNOWN', 'The server is stopping', { status: 503 })
}
