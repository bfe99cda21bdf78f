import { Worker } from 'node:worker_threads'

/** A part of the load, done in a thread of its own so that the client's work is nobody else's. */
export type Load =
  | { readonly kind: 'send'; readonly url: string; readonly senders: readonly Sender[]; readonly seconds: number }
  | {
      readonly kind: 'commit'
      readonly connectionString: string
      readonly clients: number
      readonly seconds: number
      /** Of the statement that is committed again and again. */
      readonly sql: string
    }

export interface Sender {
  readonly token: string
  readonly roomId: string
}

export interface LoadResult {
  /** Within the measured time. */
  readonly count: number
  readonly seconds: number
  /** With those before and after it: what CPU times are divided by. */
  readonly total: number
  /** Of the answers' times, in ms. */
  readonly median: number
  readonly p99: number
}

export function runLoad(load: Load): Promise<LoadResult> {
  const worker = new Worker(new URL('./load-worker.js', import.meta.url), { workerData: load })
  return new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
    worker.once('exit', () => reject(new Error('the load generator has ended without a result')))
  })
}

export function quantile(sorted: ArrayLike<number>, q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0
}
