/** The room DAG: drafts and received events become stored events here, and everything about rooms is read from here. */
import type { RoomServer } from './api.js'
import { createReadingHalf } from './reading-half.js'
import { createWritingHalf, type RoomServerDeps, type WritingHalf } from './room-writer.js'

export * from './api.js'
export type { ReceivedEvent } from './received/plan-received.js'
export type { PersistedEvent } from './received/receiver.js'
export { VERDICT, type Verdict } from './room-event.js'
export type { RoomServerDeps } from './room-writer.js'

/** What the receipt of federation events and tests use beside the room server's interface. */
export type RoomServerParts = Pick<WritingHalf, 'persistReceived' | 'settle'>

export function createRoomServer(deps: RoomServerDeps): RoomServer & RoomServerParts {
  const writing = createWritingHalf(deps)
  const { state, history, relations, directory, reports } = createReadingHalf(writing.internals)
  return {
    send: (draft) => writing.send(draft),
    sendAll: (drafts) => writing.sendAll(drafts),
    createRoom: (room) => writing.createRoom(room),
    persistReceived: (received) => writing.persistReceived(received),
    findTransaction: (transaction) => writing.findTransaction(transaction),
    forget: (roomId, userId) => writing.forget(roomId, userId),
    readBeforeVisible: (reader) => writing.readBeforeVisible(reader),
    readLog: (reader, since) => writing.readLog(reader, since),
    logAfter: (position, limit) => writing.logAfter(position, limit),
    start: () => writing.start(),
    stop: () => writing.stop(),
    settle: () => writing.settle(),

    room: (roomId) => state.room(roomId),
    stateEvent: (roomId, type, stateKey) => state.stateEvent(roomId, type, stateKey),
    currentState: (roomIds, tuples) => state.currentState(roomIds, tuples),
    stateAtPosition: (at, tuples, membersOf) => state.stateAtPosition(at, tuples, membersOf),
    stateDelta: (ranges) => state.stateDelta(ranges),
    stateAroundEvent: (event, side) => state.stateAroundEvent(event, side),
    memberships: (userId) => state.memberships(userId),
    membership: (roomId, userId) => state.membership(roomId, userId),
    members: (roomIds, memberships) => state.members(roomIds, memberships),
    summaries: (roomIds, viewer) => state.summaries(roomIds, viewer),
    usersSharingRoomWith: (userId, options) => state.usersSharingRoomWith(userId, options),
    sharesRoomWith: (userId, others, options) => state.sharesRoomWith(userId, others, options),
    visibleUsers: (viewer, userIds) => state.visibleUsers(viewer, userIds),
    localJoinedMembers: (roomId) => state.localJoinedMembers(roomId),
    joinedServers: (roomId) => state.joinedServers(roomId),
    powerLevel: (roomId, userId) => state.powerLevel(roomId, userId),

    event: (eventId) => history.event(eventId),
    events: (eventIds) => history.events(eventIds),
    visibleTo: (userId, events) => history.visibleTo(userId, events),
    mayPeek: (userId, roomId) => history.mayPeek(userId, roomId),
    newest: (ranges, filter) => history.newest(ranges, filter),
    roomsChangedSince: (roomIds, after) => history.roomsChangedSince(roomIds, after),
    page: (request) => history.page(request),
    topologicalToken: (roomId, position) => history.topologicalToken(roomId, position),
    present: (events, viewer, options) => history.present(events, viewer, options),

    relations: (request) => relations.relations(request),
    threads: (request) => relations.threads(request),
    eventNearTime: (request) => relations.eventNearTime(request),

    createAlias: (alias, roomId, creator) => directory.createAlias(alias, roomId, creator),
    removeAlias: (alias) => directory.removeAlias(alias),
    alias: (alias) => directory.alias(alias),
    aliasesOf: (roomId) => directory.aliasesOf(roomId),
    setPublished: (roomId, published) => directory.setPublished(roomId, published),
    isPublished: (roomId) => directory.isPublished(roomId),
    publicRooms: (request) => directory.publicRooms(request),
    describeRooms: (roomIds) => directory.describeRooms(roomIds),

    addReport: (report) => reports.addReport(report),
    reports: (request) => reports.reports(request),
    report: (id) => reports.report(id),
    deleteReport: (id) => reports.deleteReport(id),
  }
}
