import type { Database } from '../../platform/database.js'
import { type HttpClient, OutboundFailure } from '../../platform/http-client.js'
import type { Log } from '../../platform/log.js'
import type { Loop, Loops } from '../../platform/loop.js'
import type { Clock } from '../../platform/time.js'
import {
  getString,
  getStrings,
  JsonError,
  type JsonObject,
  parseJsonObject,
  stringifyJson,
} from '../../protocol/json.js'
import type { RoomServer } from '../roomserver/index.js'
import type { UserApi } from '../userapi/index.js'
import { badgeRequest, eventRequest } from './push-request.js'
import { identityOf, storedObject } from './pushers.js'
import { BADGE_POSITION, DELETE_OWED, type OwedPushRow, SELECT_OWED } from './store/owed-pushes.js'
import { DELETE_PUSHERS, END_PAUSES, type PusherRow, SELECT_DUE, SET_PUSHER_RETRY } from './store/pushers.js'

export interface DeliveryDeps {
  readonly database: Database
  readonly gateway: HttpClient
  readonly roomserver: Pick<RoomServer, 'event' | 'currentState' | 'membership'>
  readonly userapi: Pick<UserApi, 'device'>
  readonly loops: Loops
  readonly time: Clock
  readonly log: Log
}

/** Pushers served at the same time: a slow gateway must not keep the others waiting. */
const MAX_BUSY = 50
const PAGE = 50
const DEADLINE_MS = 30_000
const MAX_ANSWER_BYTES = 65_536
const FIRST_RETRY_MS = 1_000
const LONGEST_RETRY_MS = 3_600_000
/** News older than that is none. */
const KEEP_OWED_MS = 24 * 3_600_000
/** A timer may fire a little before the time it was set for. */
const TIMER_SLACK_MS = 10
/** In case a timer was missed; what is owed is otherwise sent at once. */
const LOOK_EVERY_MS = 60_000

/**
 * Sends what gateways are owed. Every pusher has its own order and its own pauses; what has been sent is struck off the
 * queue one by one, so that after a crash at most one request of each pusher is made a second time.
 */
export class Delivery {
  readonly #deps: DeliveryDeps
  readonly #busy = new Map<number, Promise<void>>()
  /** Sent in this run and perhaps not struck off, since the database was away. */
  readonly #sent = new Set<string>()
  readonly #timers = new Set<() => void>()
  readonly #stopping = new AbortController()
  #loop: Loop | undefined

  constructor(deps: DeliveryDeps) {
    this.#deps = deps
  }

  async start(): Promise<void> {
    await this.#deps.database.run(END_PAUSES)
    this.#loop = this.#deps.loops.start({
      name: 'pushserver.delivery',
      owner: 'pushserver',
      intervalMs: LOOK_EVERY_MS,
      immediately: true,
      body: () => this.#startDue(),
    })
  }

  wake(): void {
    this.#loop?.wake()
  }

  /** Requests under way are given up: they are still owed. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    for (const cancel of this.#timers) cancel()
    await this.#loop?.stop()
    await Promise.all(this.#busy.values())
  }

  async #startDue(): Promise<void> {
    const { database, time } = this.#deps
    const free = MAX_BUSY - this.#busy.size
    if (free <= 0 || this.#stopping.signal.aborted) return
    const due = await database.run(SELECT_DUE, time.now(), [...this.#busy.keys()], free)
    for (const pusher of due) {
      const served = this.#serve(pusher).finally(() => {
        this.#busy.delete(pusher.pusher_id)
        // What became owed while it ended was not looked at, and somebody may be waiting for its place.
        this.wake()
      })
      this.#busy.set(pusher.pusher_id, served)
    }
  }

  /** Never rejects. */
  async #serve(pusher: PusherRow): Promise<void> {
    const { log } = this.#deps
    try {
      await this.#sendAll(pusher)
    } catch (error) {
      if (this.#stopping.signal.aborted) return
      const level = error instanceof OutboundFailure || error instanceof GatewayRefusal ? 'info' : 'error'
      log[level]({ err: error, user_id: pusher.user_id, app_id: pusher.app_id }, 'a push could not be delivered')
      await this.#postpone(pusher)
    }
  }

  async #sendAll(pusher: PusherRow): Promise<void> {
    const { database, userapi } = this.#deps
    if ((await userapi.device(pusher.user_id, pusher.device_id)) === undefined) return this.#remove(pusher)
    while (!this.#stopping.signal.aborted) {
      const rows = await database.run(SELECT_OWED, pusher.pusher_id, pusher.user_id, PAGE)
      if (rows.length === 0) break
      const { wanted, unwanted } = this.#sort(pusher, rows)
      if (unwanted.length > 0) await this.#strikeOff(pusher, unwanted)
      for (const row of wanted) if ((await this.#send(pusher, row)) === 'removed') return
    }
    if (pusher.failures > 0) await database.run(SET_PUSHER_RETRY, pusher.pusher_id, 0, 0)
  }

  /** What has been read or is too old is not sent; a count by itself not when an event brings it along. */
  #sort(pusher: PusherRow, rows: readonly OwedPushRow[]): { wanted: OwedPushRow[]; unwanted: OwedPushRow[] } {
    const oldest = this.#deps.time.now() - KEEP_OWED_MS
    const isAlive = (row: OwedPushRow): boolean => row.created_ts >= oldest && !this.#sent.has(sentKey(pusher, row))
    const events = rows.filter((row) => isAlive(row) && row.event_id !== null)
    const badges = rows.filter((row) => isAlive(row) && row.position === BADGE_POSITION)
    const wanted = events.length > 0 ? events : badges
    return { wanted, unwanted: rows.filter((row) => !wanted.includes(row)) }
  }

  async #send(pusher: PusherRow, row: OwedPushRow): Promise<'sent' | 'removed'> {
    const request = await this.#requestOf(pusher, row)
    if (request !== undefined) {
      const rejected = await this.#post(pusher, request)
      if (rejected.includes(pusher.pushkey)) {
        this.#deps.log.info({ user_id: pusher.user_id, app_id: pusher.app_id }, 'a push gateway rejects a pusher')
        await this.#remove(pusher)
        return 'removed'
      }
    }
    this.#sent.add(sentKey(pusher, row))
    await this.#strikeOff(pusher, [row])
    return 'sent'
  }

  async #requestOf(pusher: PusherRow, row: OwedPushRow): Promise<JsonObject | undefined> {
    const { roomserver } = this.#deps
    if (row.event_id === null) return badgeRequest(pusher, row.unread)
    const event = await roomserver.event(row.event_id)
    return event && eventRequest(roomserver, pusher, row, event)
  }

  /** Returns the push keys that the gateway rejects. @throws OutboundFailure, GatewayRefusal */
  async #post(pusher: PusherRow, request: JsonObject): Promise<readonly string[]> {
    const { status, body } = await this.#deps.gateway.request({
      method: 'POST',
      url: getString(storedObject(pusher.data), 'url') ?? '',
      headers: { 'content-type': 'application/json' },
      body: stringifyJson(request),
      deadlineMs: DEADLINE_MS,
      maxBytes: MAX_ANSWER_BYTES,
      signal: this.#stopping.signal,
    })
    if (status < 200 || status > 299) throw new GatewayRefusal(`the push gateway answers ${status}`)
    return rejectedKeys(body)
  }

  async #strikeOff(pusher: PusherRow, rows: readonly OwedPushRow[]): Promise<void> {
    const positions = rows.map(({ position }) => position)
    const times = rows.map((row) => row.times)
    await this.#deps.database.run(DELETE_OWED, pusher.pusher_id, positions, times)
    for (const row of rows) this.#sent.delete(sentKey(pusher, row))
  }

  async #remove(pusher: PusherRow): Promise<void> {
    await this.#deps.database.run(DELETE_PUSHERS, ...identityOf([pusher]))
  }

  async #postpone(pusher: PusherRow): Promise<void> {
    const { database, time, log } = this.#deps
    const failures = pusher.failures + 1
    const pause = Math.min(FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 30), LONGEST_RETRY_MS)
    try {
      await database.run(SET_PUSHER_RETRY, pusher.pusher_id, failures, time.now() + pause)
    } catch (error) {
      log.error({ err: error, user_id: pusher.user_id }, 'the pause of a pusher could not be stored')
    }
    const cancel = time.after(pause + TIMER_SLACK_MS, () => {
      this.#timers.delete(cancel)
      this.wake()
    })
    this.#timers.add(cancel)
  }
}

/** The gateway has answered, but not with success. */
class GatewayRefusal extends Error {
  override name = 'GatewayRefusal'
}

function sentKey(pusher: PusherRow, { position, times }: OwedPushRow): string {
  return `${pusher.pusher_id}/${position}/${times}`
}

/** A gateway that answers something else than JSON has accepted the push all the same: it has said 200. */
function rejectedKeys(body: Buffer): readonly string[] {
  try {
    return getStrings(parseJsonObject(body), 'rejected') ?? []
  } catch (error) {
    if (error instanceof JsonError) return []
    throw error
  }
}
