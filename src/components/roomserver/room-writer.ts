/** The writing half of the component, put together. */
import type { Bus } from '../../platform/bus.js'
import type { CacheBudget } from '../../platform/cache.js'
import type { ChangeFeed } from '../../platform/change-feed.js'
import type { Database } from '../../platform/database.js'
import type { Log } from '../../platform/log.js'
import type { Loop, Loops } from '../../platform/loop.js'
import { createIdAllocator } from '../../platform/number-blocks.js'
import type { StreamClock } from '../../platform/stream-clock.js'
import type { Clock } from '../../platform/time.js'
import type { RoomId, ServerName, UserId } from '../../protocol/ids.js'
import type { SigningKey } from '../../protocol/signing.js'
import type { OutputEntry, RoomServer, RoomWriter } from './api.js'
import { createEventCache } from './event-cache.js'
import { PendingEvents } from './facts.js'
import { IdBlock, type IdSource } from './id-block.js'
import type { RoomInternals } from './internals.js'
import { RoomUnit } from './local/create-room.js'
import { LocalSender, type SenderParts } from './local/local-sender.js'
import { Transactions } from './local/transactions.js'
import { forgetRoom } from './membership/forget.js'
import { createNids } from './nids.js'
import { OutputLog } from './output/output-log.js'
import { PlanningContext } from './planning-context.js'
import type { ReceivedEvent } from './received/plan-received.js'
import { type PersistedEvent, Receiver } from './received/receiver.js'
import { createRooms } from './rooms.js'
import { Heads } from './state/heads.js'
import { RoomLocks } from './state/room-locks.js'
import { DELETE_TRANSACTIONS_BEFORE } from './store/transaction-ids.js'
import { BatchWriter } from './writer/batch-writer.js'

export interface RoomServerDeps {
  readonly database: Database
  readonly streamClock: StreamClock
  readonly feed: ChangeFeed
  readonly bus: Bus
  readonly caches: CacheBudget
  /** Where the integer ids of events and of state snapshots come from. */
  readonly eventNids: IdSource
  readonly snapshotIds: IdSource
  readonly loops: Loops
  readonly serverName: ServerName
  /** Signs the events of this server. */
  readonly signingKey: SigningKey
  readonly time: Clock
  readonly log: Log
}

export interface WritingHalf
  extends RoomWriter,
    Pick<RoomServer, 'readBeforeVisible' | 'readLog' | 'logAfter' | 'start' | 'stop'> {
  readonly internals: RoomInternals
  /** Stores an event that was made elsewhere. For the receipt of PDUs, which judges it. */
  persistReceived(received: ReceivedEvent): Promise<PersistedEvent>
  /** Ends when everything sent so far is written, and every reader has had it. */
  settle(): Promise<void>
}

/** Ids reserved at a time; a restart gives up what is left of them. */
const EVENT_IDS = 1_000
const ROOM_IDS = 100

/** As long as a reader may keep positions from becoming visible. */
const SETTLING_MS = 5_000

/** Clients repeat a request for as long as they are kept waiting; a day offline is common, three are not. */
const TRANSACTION_LIFE_MS = 3 * 24 * 60 * 60 * 1_000
const CLEANING_INTERVAL_MS = 6 * 60 * 60 * 1_000

export function createWritingHalf(deps: RoomServerDeps): WritingHalf {
  const { database, streamClock: clock, feed, bus, caches: cacheBudget, loops, serverName, time, log } = deps
  const nids = createNids(database)
  const rooms = createRooms(database, cacheBudget)
  const events = createEventCache(database, cacheBudget)
  const heads = new Heads(database, nids, cacheBudget)
  const pending = new PendingEvents()
  const roomNids = new IdBlock(createIdAllocator(database, 'roomserver.rooms'), ROOM_IDS)
  const context = new PlanningContext({
    serverName,
    signer: { serverName, key: deps.signingKey },
    time,
    eventNids: new IdBlock(deps.eventNids, EVENT_IDS),
    snapshotIds: new IdBlock(deps.snapshotIds, EVENT_IDS),
    heads,
    pending,
  })
  const committedListeners: ((entries: readonly OutputEntry[]) => void)[] = []
  const forgottenListeners: ((roomId: RoomId, userId: UserId) => void)[] = []
  const output = new OutputLog({ database, clock, events, serverName, time, log })
  const writer = new BatchWriter({
    database,
    clock,
    feed,
    bus,
    log,
    heads,
    events,
    context,
    onCommitted: (entries) => {
      for (const listener of committedListeners) listener(entries)
    },
    deliver: (entries) => output.deliver(entries),
    mayWrite: () => output.mayWrite(),
  })
  const transactions = new Transactions(database)
  const locks = new RoomLocks()
  const parts: SenderParts = { heads, events, nids, pending, context, writer, transactions, locks }
  const sender = new LocalSender(parts)
  const receiver = new Receiver(parts, database, roomNids)
  const internals: RoomInternals = {
    database,
    clock,
    feed,
    bus,
    cacheBudget,
    time,
    log,
    serverName,
    nids,
    rooms,
    events,
    heads,
    onCommitted: (listener) => committedListeners.push(listener),
    onForgotten: (listener) => forgottenListeners.push(listener),
  }
  let cleaning: Loop | undefined
  return {
    internals,
    send: (draft) => sender.send(draft),
    sendAll: (drafts) => sender.sendAll(drafts),
    async createRoom(room) {
      const unit = new RoomUnit(room, parts, roomNids)
      void unit.submit()
      return unit.created
    },
    persistReceived: (received) => receiver.persist(received),
    findTransaction: (transaction) => transactions.find(transaction),
    async forget(roomId, userId) {
      if (!(await forgetRoom(internals, roomId, userId))) return
      for (const listener of forgottenListeners) listener(roomId, userId)
    },
    readBeforeVisible: (reader) => output.readBeforeVisible(reader),
    readLog: (reader, since) => output.readLog(reader, since),
    logAfter: (position, limit) => output.logAfter(position, limit),
    async start() {
      output.start()
      cleaning = loops.start({
        name: 'roomserver.transaction-ids',
        owner: 'roomserver',
        intervalMs: CLEANING_INTERVAL_MS,
        body: async () => {
          await database.run(DELETE_TRANSACTIONS_BEFORE, time.now() - TRANSACTION_LIFE_MS)
        },
      })
    },
    async settle() {
      await writer.idle()
      await output.idle()
      // Readers of what is visible start when it is.
      await clock.caughtUp(SETTLING_MS)
      await output.idle()
    },
    async stop() {
      await cleaning?.stop()
      await writer.idle()
      await output.stop()
    },
  }
}
