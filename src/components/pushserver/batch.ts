import type { RoomId, UserId } from '../../protocol/ids.js'
import { stringifyJson } from '../../protocol/json.js'
import type { PushAction, PushOutcome } from '../../protocol/push-rules/index.js'
import type { OutputEntry, RoomEvent } from '../roomserver/index.js'

/** What somebody is told of an event: the same for all whose rules have the same outcome, mostly for everybody. */
export interface News {
  /** From 1, as SQL counts. */
  readonly index: number
  /** The same, in `Batch.events`. */
  readonly eventIndex: number
  readonly highlight: boolean
  /** As they are stored. */
  readonly actions: string
}

/** Somebody who is to be told. */
export interface Notice {
  readonly userId: UserId
  readonly news: News
}

/** What a batch of log entries changes, gathered before the one statement that writes it. */
export class Batch {
  readonly events: RoomEvent[] = []
  /** Who has read by sending the event of the same index; empty: nobody. */
  readonly senders: (UserId | '')[] = []
  readonly news: News[] = []
  readonly #notices: Notice[] = []
  /** Of the event that was added last. */
  readonly #newsByActions = new Map<readonly PushAction[], News>()
  /** By room and local user: where in this batch they have come in. */
  readonly #joins = new Map<string, number>()
  /** By room, thread and local user: the last that they have sent in this batch. */
  readonly #sent = new Map<string, number>()

  constructor(entries: readonly OutputEntry[]) {
    for (const { roomId, position, memberships } of entries) {
      for (const { userId, membership, previous, isLocal } of memberships) {
        if (isLocal && membership === 'join' && previous !== 'join') this.#joins.set(`${roomId}\0${userId}`, position)
      }
    }
  }

  /** Members are asked for as they are now, which is after the whole batch: who came in later was not told of it. */
  joinsAfter(event: RoomEvent, userId: UserId): boolean {
    if (this.#joins.size === 0) return false
    return (this.#joins.get(`${event.roomId}\0${userId}`) ?? 0) > (event.position ?? 0)
  }

  readBySending(event: RoomEvent): void {
    this.#sent.set(readKey(event, event.sender), event.position ?? 0)
  }

  add(event: RoomEvent, sender: UserId | ''): void {
    this.senders.push(sender)
    this.events.push(event)
    this.#newsByActions.clear()
  }

  /** Of the event that was added last. */
  tell(userId: UserId, { actions, highlight }: PushOutcome): void {
    let news = this.#newsByActions.get(actions)
    if (news === undefined) {
      const index = this.news.length + 1
      news = { index, eventIndex: this.events.length, highlight, actions: storedActions(actions) }
      this.news.push(news)
      this.#newsByActions.set(actions, news)
    }
    this.#notices.push({ userId, news })
  }

  /** Who is to be told of what, without what they have read by speaking later in the batch. */
  unread(): readonly Notice[] {
    if (this.#notices.length === 0 || this.#sent.size === 0) return this.#notices
    const speakers = new Set([...this.#sent.keys()].map((key) => key.slice(key.lastIndexOf('\0') + 1)))
    return this.#notices.filter(({ userId, news }) => {
      if (!speakers.has(userId)) return true
      const event = this.events[news.eventIndex - 1]
      return event === undefined || (this.#sent.get(readKey(event, userId)) ?? 0) <= (event.position ?? 0)
    })
  }
}

function readKey(event: { readonly roomId: RoomId; readonly threadRoot: string | undefined }, userId: UserId): string {
  return `${event.roomId}\0${event.threadRoot ?? ''}\0${userId}`
}

/** What nearly all have, `["notify"]`, is stored as nothing. */
function storedActions(actions: readonly PushAction[]): string {
  return actions.length === 1 && actions[0] === 'notify' ? '' : stringifyJson(actions)
}
