import type { EventId, RoomId, UserId } from '../../protocol/ids.js'

export type ReceiptType = 'm.read' | 'm.read.private'

export interface Receipt {
  readonly roomId: RoomId
  readonly type: ReceiptType
  readonly userId: UserId
  readonly eventId: EventId
  /** `main`, a thread root, or undefined: unthreaded. */
  readonly threadId: string | undefined
  /** When it was sent, ms. */
  readonly ts: number
  readonly position: number
}

export type PresenceState = 'online' | 'unavailable' | 'offline'

export interface Presence {
  readonly userId: UserId
  readonly state: PresenceState
  readonly statusMessage: string | undefined
  /** Wall clock, ms. */
  readonly lastActiveTs: number
  readonly currentlyActive: boolean
  readonly position: number
}

export interface Typing {
  /** @param timeoutMs capped at 120 s */
  setTyping(roomId: RoomId, userId: UserId, typing: boolean, timeoutMs: number): Promise<void>
  /** Who types now, for rooms with a change in (after, upTo]; all with someone typing when `after` is 0. No statement. */
  typingBetween(roomIds: readonly RoomId[], after: number, upTo: number): Map<RoomId, UserId[]>
}

export interface Receipts {
  /**
   * Stores a receipt unless it would move backwards. Returns its position, or undefined when nothing changed. The caller
   * has checked that the user is in the room and the event of it. `order` is the event's position on the clock.
   */
  setReceipt(receipt: Omit<Receipt, 'position'> & { readonly order: number }): Promise<number | undefined>
  /** Public receipts of all and private ones of `viewer`, changed in (after, upTo] (all when `after` is 0). One statement. */
  receiptsBetween(roomIds: readonly RoomId[], viewer: UserId, after: number, upTo: number): Promise<Receipt[]>
}

export interface PresenceTracker {
  readonly enabled: boolean
  setPresence(userId: UserId, state: PresenceState, statusMessage?: string | null): Promise<void>
  /** A request of the user (sync with set_presence, a message): keeps them online; no statement when nothing changes. */
  touch(userId: UserId, state?: PresenceState): Promise<void>
  presence(userIds: readonly UserId[]): Promise<Map<UserId, Presence>>
  /** Of these users, those whose presence changed in (after, upTo]. No statement when warm. */
  presenceBetween(userIds: Iterable<UserId>, after: number, upTo: number): Promise<Presence[]>
}

export interface Ephemeral extends Typing, Receipts, PresenceTracker {
  start(): Promise<void>
  stop(): Promise<void>
}

export const EPHEMERAL_STREAMS = {
  /** Keyed by room id. */
  typing: 'typing',
  /** Keyed by room id; a private receipt by `user id` of its owner on `privateReceipts`. */
  receipts: 'receipts',
  privateReceipts: 'private_receipts',
  /** Keyed by the user whose presence it is. */
  presence: 'presence',
} as const
