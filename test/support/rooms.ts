import type { RoomServer } from '../../src/components/roomserver/index.js'
import { parseUserId, type RoomId, type UserId } from '../../src/protocol/ids.js'

/** A room that anybody may join, made without HTTP, with these members besides its creator. */
export async function makeRoom(
  roomserver: RoomServer,
  creator: string,
  members: readonly string[] = [],
): Promise<RoomId> {
  const owner = userId(creator)
  const state = (type: string, content: object, stateKey = '', sender = owner) => ({
    sender,
    type,
    stateKey,
    content: content as Record<string, never>,
  })
  const { roomId } = await roomserver.createRoom({
    creator: owner,
    version: '12',
    creationContent: {},
    events: [
      state('m.room.member', { membership: 'join' }, owner),
      state('m.room.power_levels', { events_default: 0 }),
      state('m.room.join_rules', { join_rule: 'public' }),
    ],
  })
  for (const member of members.map(userId)) {
    await roomserver.send({ roomId, ...state('m.room.member', { membership: 'join' }, member, member) })
  }
  return roomId
}

function userId(text: string): UserId {
  const id = parseUserId(text)
  if (id === undefined) throw new Error(`${text} is no user id`)
  return id
}
