import type { Database } from '../../platform/database.js'
import type { Loop, Loops } from '../../platform/loop.js'
import type { Clock } from '../../platform/time.js'
import type { DeviceId, UserId } from '../../protocol/ids.js'
import { UPDATE_LAST_SEEN } from './store/devices.js'

export interface Sighting {
  readonly userId: UserId
  readonly deviceId: DeviceId
  ts: number
  address: string
  userAgent: string | undefined
}

const FLUSH_INTERVAL_MS = 60_000
/** One statement writes at most this many; more than this in a minute take several. */
const BATCH = 2_000

/** When, from where and with what each device was used last: in memory, written in batches once a minute. */
export class LastSeen {
  readonly #database: Database
  readonly #time: Clock
  readonly #unwritten = new Map<string, Sighting>()
  #loop: Loop | undefined

  constructor(database: Database, time: Clock) {
    this.#database = database
    this.#time = time
  }

  note(userId: UserId, deviceId: DeviceId, address: string, userAgent: string | undefined): void {
    const key = `${userId} ${deviceId}`
    const known = this.#unwritten.get(key)
    if (known === undefined) {
      this.#unwritten.set(key, { userId, deviceId, ts: this.#time.now(), address, userAgent })
      return
    }
    known.ts = this.#time.now()
    known.address = address
    known.userAgent = userAgent
  }

  /** What has not been written yet. */
  pending(userId: UserId, deviceId: DeviceId): Sighting | undefined {
    return this.#unwritten.get(`${userId} ${deviceId}`)
  }

  start(loops: Loops): void {
    this.#loop = loops.start({
      name: 'userapi.last-seen',
      owner: 'userapi',
      intervalMs: FLUSH_INTERVAL_MS,
      body: () => this.#flush(),
    })
  }

  async stop(): Promise<void> {
    await this.#loop?.stop()
    await this.#flush()
  }

  async #flush(): Promise<void> {
    const taken = [...this.#unwritten]
    for (let at = 0; at < taken.length; at += BATCH) {
      const batch = taken.slice(at, at + BATCH)
      const written = batch.map(([, sighting]) => ({ ...sighting }))
      await this.#write(written)
      // What was seen again meanwhile stays for the next run, as does a batch that failed.
      for (const [index, [key, sighting]] of batch.entries()) {
        if (sighting.ts === written[index]?.ts) this.#unwritten.delete(key)
      }
    }
  }

  async #write(sightings: readonly Sighting[]): Promise<void> {
    await this.#database.run(
      UPDATE_LAST_SEEN,
      sightings.map((sighting) => sighting.userId),
      sightings.map((sighting) => sighting.deviceId),
      sightings.map((sighting) => sighting.ts),
      sightings.map((sighting) => sighting.address),
      sightings.map((sighting) => sighting.userAgent ?? null),
    )
  }
}
