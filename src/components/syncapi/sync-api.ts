import type { RoomId } from '../../protocol/ids.js'
import { EPHEMERAL_STREAMS } from '../ephemeral/index.js'
import { KEY_STREAMS } from '../keyserver/index.js'
import type { Requester } from '../userapi/index.js'
import type { SyncApi, SyncRequest } from './api.js'
import { type Answer, compose } from './compose.js'
import { Gate } from './gate.js'
import { InitialAnswers } from './initial-answers.js'
import { type Listener, Notifier } from './notifier.js'
import { Peeks } from './peeks.js'
import { RecentChanges } from './recent-changes.js'
import { movedRooms } from './rooms/changed-rooms.js'
import { LazyMembers } from './rooms/lazy-members.js'
import { readMemberChanges, readMemberNews } from './rooms/member-news.js'
import { planRooms } from './rooms/room-plan.js'
import { readDeviceLists } from './streams/device-lists.js'
import { readToDevice } from './streams/to-device.js'
import { parseFilter, type SyncFilter } from './sync-filter.js'
import type { SyncApiDeps, SyncSources, SyncView } from './sync-view.js'
import { parseToken } from './tokens.js'

export type { SyncApiDeps } from './sync-view.js'

/** How long a request waits for what has been committed before it to become visible. */
const CATCH_UP_MS = 1_000
const LONGEST_TIMEOUT_MS = 300_000

/** Answers that are composed at the same time. */
const INCREMENTAL_WIDTH = 8
/** Whole accounts are big: the others wait. */
const INITIAL_WIDTH = 2

export function createSyncApi(deps: SyncApiDeps): SyncApi {
  return new SyncService(deps)
}

/** A request with everything that is the same for each of its answers. */
interface Question {
  readonly request: SyncRequest
  readonly filter: SyncFilter
  /** What the client has; undefined: nothing. */
  readonly since: number | undefined
  readonly listener: Listener
}

interface PlacedAnswer extends Answer {
  readonly upTo: number
}

class SyncService implements SyncApi {
  readonly #sources: SyncSources
  readonly #notifier: Notifier
  readonly #incremental = new Gate(INCREMENTAL_WIDTH)
  readonly #whole = new Gate(INITIAL_WIDTH)
  readonly #initial: InitialAnswers
  readonly #peeks: Peeks
  readonly #unsubscribe: () => void

  constructor(deps: SyncApiDeps) {
    const startedAt = deps.streamClock.visible
    const deviceListChanges = new RecentChanges(KEY_STREAMS.deviceLists, startedAt)
    const presenceChanges = new RecentChanges(EPHEMERAL_STREAMS.presence, startedAt)
    this.#unsubscribe = deps.feed.subscribe((changes) => {
      deviceListChanges.add(changes)
      presenceChanges.add(changes)
    })
    const lazyMembers = new LazyMembers(deps.caches)
    this.#sources = { ...deps, startedAt, deviceListChanges, presenceChanges, lazyMembers }
    this.#notifier = new Notifier(deps)
    this.#peeks = new Peeks(deps)
    this.#initial = new InitialAnswers(this.#whole, deps.caches, deps.time)
  }

  async start(): Promise<void> {
    await this.#peeks.start()
    this.#notifier.start()
  }

  async stop(): Promise<void> {
    this.#unsubscribe()
    this.#notifier.stop()
  }

  async sync(request: SyncRequest): Promise<string> {
    const { streamClock, keyserver } = this.#sources
    const { userId, deviceId } = request.requester
    const filter = parseFilter(request.filter)
    const given = request.since === undefined ? undefined : parseToken(request.since, Number.POSITIVE_INFINITY)
    await this.#showPresence(request)
    await streamClock.caughtUp(CATCH_UP_MS)
    const since = given !== undefined && given <= streamClock.visible ? given : undefined
    if (since !== undefined) await keyserver.acknowledgeToDevice(userId, deviceId, since)
    const listener = this.#notifier.attend(userId)
    try {
      const question = { request, filter, since, listener }
      return await (since === undefined ? this.#answerInitially(question) : this.#answerWhenChanged(question, since))
    } finally {
      this.#notifier.leave(listener)
    }
  }

  async keyChanges(requester: Requester, from: string, to: string): Promise<{ changed: string[]; left: string[] }> {
    const { streamClock, roomserver } = this.#sources
    await streamClock.caughtUp(CATCH_UP_MS)
    const { visible } = streamClock
    const view: SyncView = {
      requester,
      since: parseToken(from, visible) ?? 0,
      confirmed: undefined,
      upTo: parseToken(to, visible) ?? visible,
      filter: parseFilter(undefined),
      fullState: false,
      stateAfter: 'no',
      ignored: new Set(),
      sharing: once(() => roomserver.usersSharingRoomWith(requester.userId)),
    }
    const plan = await planRooms(this.#sources, view, await roomserver.memberships(requester.userId), new Map())
    const moved = (await movedRooms(this.#sources, view, plan.joined)).filter(({ fresh }) => !fresh)
    const deltas = await roomserver.stateDelta(moved)
    const changes = await readMemberChanges(this.#sources, deltas)
    const news = await readMemberNews(this.#sources, view, plan, changes)
    const { changed, left } = await readDeviceLists(this.#sources, view, news)
    return { changed: [...changed], left: [...left] }
  }

  peek(requester: Requester, roomId: RoomId): Promise<void> {
    return this.#peeks.begin(requester, roomId)
  }

  unpeek(requester: Requester, roomId: RoomId): Promise<void> {
    return this.#peeks.end(requester, roomId)
  }

  async #showPresence({ requester, setPresence }: SyncRequest): Promise<void> {
    const { ephemeral } = this.#sources
    if (ephemeral.enabled && setPresence !== 'offline') await ephemeral.touch(requester.userId, setPresence)
  }

  async #answerInitially(question: Question): Promise<string> {
    const { request } = question
    const { userId, deviceId } = request.requester
    const key = [userId, deviceId, request.useStateAfter, request.filter ?? ''].join('\0')
    return this.#initial.get(key, request.signal, async () => (await this.#answer(question, undefined)).text)
  }

  /** Answers once there is something to tell, or when the client's time is up. */
  async #answerWhenChanged(question: Question, since: number): Promise<string> {
    const { request, listener } = question
    const { time } = this.#sources
    const gate = request.fullState ? this.#whole : this.#incremental
    const deadline = time.monotonic() + Math.min(Math.max(request.timeoutMs, 0), LONGEST_TIMEOUT_MS)
    for (let from = since; ; ) {
      const answer = await gate.run(() => this.#answer(question, from))
      const left = deadline - time.monotonic()
      const mustAnswer = request.fullState || left <= 0 || this.#notifier.stopped || request.signal.aborted
      if (!answer.empty || mustAnswer) return answer.text
      from = answer.upTo
      await this.#notifier.wait(listener, answer.upTo, left, request.signal)
    }
  }

  async #answer({ request, filter, since, listener }: Question, from: number | undefined): Promise<PlacedAnswer> {
    const { streamClock, roomserver, userapi } = this.#sources
    const { userId, deviceId } = request.requester
    const readRooms = async () => {
      const memberships = await roomserver.memberships(userId)
      const peeked = await this.#peeks.of(userId, deviceId)
      this.#notifier.follow(listener, memberships, peeked, streamClock.visible)
      return { memberships, peeked }
    }
    // The rooms have to be followed before the clock is read, and known as they are after it.
    await readRooms()
    const visible = streamClock.visible
    const { memberships, peeked } = await readRooms()
    const ignored = await userapi.ignoredUsers(userId)
    const toDevice = await readToDevice(this.#sources, { requester: request.requester, since: from, upTo: visible })
    const view: SyncView = {
      requester: request.requester,
      since: from,
      confirmed: since,
      upTo: toDevice.upTo,
      filter,
      fullState: request.fullState,
      stateAfter: request.useStateAfter,
      ignored,
      sharing: once(() => roomserver.usersSharingRoomWith(userId)),
    }
    const answer = await compose(this.#sources, view, memberships, peeked, toDevice.messages)
    return { ...answer, upTo: view.upTo }
  }
}

function once<T>(read: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined
  return () => {
    result ??= read()
    return result
  }
}
