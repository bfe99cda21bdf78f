import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { adminQuery } from '../../support/postgres.js'
import { idOf } from '../syncapi/support.js'
import { PushHarness } from './support.js'

let h: PushHarness
beforeAll(async () => {
  h = await PushHarness.start()
})
afterAll(() => h.server.stop())

const mention = (userId: string) => ({ msgtype: 'm.text', body: 'you', 'm.mentions': { user_ids: [userId] } })

describe('what counts', () => {
  it('an event and its count are in the same answer', async () => {
    const [alice, bob] = [await h.user(), await h.user()]
    const room = await h.roomOf(alice, bob)
    let since = (await h.sync(bob)).next_batch
    for (const count of [1, 2, 3]) {
      const [answer, eventId] = await Promise.all([
        h.sync(bob, { since, timeout: 5_000 }),
        h.say(alice, room, `number ${count}`),
      ])
      const joined = answer.rooms.join[room]
      expect(joined.timeline.events.map((event: { event_id: string }) => event.event_id)).toEqual([eventId])
      expect(joined.unread_notifications.notification_count).toBe(count)
      since = answer.next_batch
    }
  })

  it('mentions, keywords and display names are highlights; own events, edits and notices are nothing', async () => {
    const [alice, bob] = [await h.user(), await h.user()]
    const room = await h.roomOf(alice, bob)
    const highlight = ['notify', { set_tweak: 'highlight' }]
    await bob.put('/pushrules/global/content/word', { pattern: 'pudding', actions: highlight })
    const named = { conditions: [{ kind: 'contains_display_name' }], actions: highlight }
    await bob.put('/pushrules/global/override/name', named)
    await h.say(alice, room, 'plain')
    expect((await h.counts(bob, room)).main).toEqual([1, 0])
    await h.event(alice, room, 'm.room.message', mention(bob.userId))
    await h.say(alice, room, 'there is pudding')
    await h.say(alice, room, `hello ${bob.userId}!`)
    expect((await h.counts(bob, room)).main).toEqual([4, 3])
    await h.event(alice, room, 'm.room.message', { msgtype: 'm.notice', body: 'pudding' })
    const edit = { rel_type: 'm.replace', event_id: '$other' }
    await h.event(alice, room, 'm.room.message', { msgtype: 'm.text', body: 'edited', 'm.relates_to': edit })
    expect((await h.counts(bob, room)).main).toEqual([4, 3])
    expect((await h.counts(alice, room)).main).toEqual([0, 0])
  })

  it('who is ignored tells nothing, whoever else is told', async () => {
    const [alice, bob, carol] = [await h.user(), await h.user(), await h.user()]
    const room = await h.roomOf(alice, bob, carol)
    await bob.put(`/user/${bob.userId}/account_data/m.ignored_user_list`, { ignored_users: { [alice.userId]: {} } })
    await h.say(alice, room, 'anybody?')
    await h.server.settle()
    expect(await h.total(bob, room)).toEqual({ notifications: 0, highlights: 0 })
    expect(await h.total(carol, room)).toEqual({ notifications: 1, highlights: 0 })
  })

  it('who joins later in the same batch has nothing of what was before', async () => {
    const [alice, bob] = [await h.user(), await h.user()]
    const room = await h.roomOf(alice)
    const message = (body: string) => ({ type: 'm.room.message', content: { msgtype: 'm.text', body } })
    const sent = await h.rooms.sendAll([
      { roomId: room, sender: idOf(alice), ...message('before') },
      {
        roomId: room,
        sender: idOf(bob),
        type: 'm.room.member',
        stateKey: bob.userId,
        content: { membership: 'join' },
      },
      { roomId: room, sender: idOf(alice), ...message('after') },
    ])
    expect(sent.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled'])
    await h.server.settle()
    expect((await h.total(bob, room))?.notifications).toBe(1)
  })
})

describe('what reads', () => {
  it('sending reads the thread it is sent in, even within one batch', async () => {
    const [alice, bob] = [await h.user(), await h.user()]
    const room = await h.roomOf(alice, bob)
    await h.sync(bob)
    const root = await h.say(alice, room, 'root')
    await h.reply(alice, room, root, 'in the thread')
    expect(await h.counts(bob, room)).toEqual({ main: [1, 0], threads: { [root]: [1, 0] } })
    await h.say(bob, room, 'in the main timeline')
    expect(await h.counts(bob, room)).toEqual({ main: [0, 0], threads: { [root]: [1, 0] } })
    await h.reply(bob, room, root, 'in the thread as well')
    expect(await h.counts(bob, room)).toEqual({ main: [0, 0], threads: {} })

    const say = (sender: typeof alice, body: string) => {
      const content = { msgtype: 'm.text', body }
      return { roomId: room, sender: idOf(sender), type: 'm.room.message', content }
    }
    await h.rooms.sendAll([say(alice, 'one'), say(bob, 'two'), say(alice, 'three')])
    await h.server.settle()
    expect((await h.counts(bob, room)).main).toEqual([1, 0])
    await h.server.restart()
    expect((await h.counts(bob, room)).main).toEqual([1, 0])
  })

  it('receipts read exactly what they are for: threaded, main, unthreaded, private', async () => {
    const [alice, bob] = [await h.user(), await h.user()]
    const room = await h.roomOf(alice, bob)
    const first = await h.say(alice, room, 'first')
    const root = await h.say(alice, room, 'root')
    const inThread = await h.reply(alice, room, root, 'a')
    await h.reply(alice, room, root, 'b')
    await h.say(alice, room, 'third')
    expect(await h.counts(bob, room)).toEqual({ main: [3, 0], threads: { [root]: [2, 0] } })
    expect((await h.receipt(bob, room, inThread, root)).status).toBe(200)
    expect(await h.counts(bob, room)).toEqual({ main: [3, 0], threads: { [root]: [1, 0] } })
    await h.receipt(bob, room, first, 'main', 'm.read.private')
    expect(await h.counts(bob, room)).toEqual({ main: [2, 0], threads: { [root]: [1, 0] } })
    const last = await h.say(alice, room, 'last')
    await h.receipt(bob, room, last)
    expect(await h.counts(bob, room)).toEqual({ main: [0, 0], threads: {} })
    // Back again is no way to have more unread.
    await h.receipt(bob, room, first)
    expect(await h.counts(bob, room)).toEqual({ main: [0, 0], threads: {} })
    await h.server.restart()
    expect(await h.counts(bob, room)).toEqual({ main: [0, 0], threads: {} })
  })

  it('another session hears of it', async () => {
    const [alice, bob] = [await h.user(), await h.user()]
    const room = await h.roomOf(alice, bob)
    const eventId = await h.say(alice, room, 'hello')
    const { next_batch } = await h.sync(bob)
    await h.receipt(bob, room, eventId)
    const answer = await h.sync(bob, { since: next_batch, timeout: 5_000 })
    expect(answer.rooms.join[room].unread_notifications.notification_count).toBe(0)
  })

  it('leaving and redaction take what was unread with them', async () => {
    const [alice, bob] = [await h.user(), await h.user()]
    const room = await h.roomOf(alice, bob)
    await h.say(alice, room, 'stays')
    const redacted = await h.event(alice, room, 'm.room.message', mention(bob.userId))
    expect((await h.counts(bob, room)).main).toEqual([2, 1])
    await alice.put(`/rooms/${room}/redact/${redacted}/r1`, {})
    expect((await h.counts(bob, room)).main).toEqual([1, 0])
    await h.member(bob, room, 'leave')
    await h.join(room, bob)
    expect((await h.counts(bob, room)).main).toEqual([0, 0])
    expect((await bob.get('/notifications')).body.notifications).toEqual([])
  })

  it('counts stay right however sending, reading and asking are interleaved', async () => {
    const [alice, bob] = [await h.user(), await h.user()]
    const room = await h.roomOf(alice, bob)
    for (let round = 0; round < 15; round++) {
      const eventId = await h.say(alice, room, `to be read ${round}`)
      await Promise.all([
        h.say(alice, room, 'one more'),
        h.receipt(bob, room, eventId),
        h.total(bob, room),
        h.say(alice, room, 'and one more'),
      ])
      await h.server.settle()
      const cached = await h.total(bob, room)
      const [stored] = await storedCounts(bob.userId, room)
      expect(cached?.notifications).toBe(stored)
    }
  })
})

describe('after a crash', () => {
  it('what was committed and not counted is counted exactly once', async () => {
    const [alice, bob] = [await h.user(), await h.user()]
    const room = await h.roomOf(alice, bob)
    await h.say(alice, room, 'one')
    await h.server.settle()
    const before = await cursor()
    await h.say(alice, room, 'two')
    await h.event(alice, room, 'm.room.message', mention(bob.userId))
    await h.server.settle()
    // The first of them has been counted, the second not.
    await sql(`DELETE FROM pushserver.unread_events WHERE user_id = '${bob.userId}' AND highlight`)
    await restartAt(before)
    expect((await h.counts(bob, room)).main).toEqual([3, 1])
    await h.server.restart()
    expect((await h.counts(bob, room)).main).toEqual([3, 1])
  })

  it('an event that cannot be counted is left out, and the server starts (F63)', async () => {
    const [alice, bob] = [await h.user(), await h.user()]
    const room = await h.roomOf(alice, bob)
    await h.server.settle()
    const before = await cursor()
    const poison = await h.say(alice, room, 'poison')
    await h.say(alice, room, 'wholesome')
    await h.server.settle()
    await sql(`DELETE FROM pushserver.unread_events WHERE user_id = '${bob.userId}'`)
    await refuse(poison)
    await restartAt(before)
    expect((await h.counts(bob, room)).main).toEqual([1, 0])
    await sql('ALTER TABLE pushserver.unread_events DROP CONSTRAINT poison')
  })

  it('an event that breaks its batch is parked, and the room goes on (F63)', async () => {
    const [alice, bob] = [await h.user(), await h.user()]
    const room = await h.roomOf(alice, bob)
    await sql(`ALTER TABLE pushserver.unread_events ADD CONSTRAINT poison CHECK (thread_root <> '$poison') NOT VALID`)
    const say = (content: object) => ({
      roomId: room,
      sender: idOf(alice),
      type: 'm.room.message',
      content: { msgtype: 'm.text', body: 'hello', ...content },
    })
    await h.rooms.sendAll([say({}), say({ 'm.relates_to': { rel_type: 'm.thread', event_id: '$poison' } }), say({})])
    await h.server.settle()
    expect((await h.counts(bob, room)).main[0]).toBe(2)
    await sql('ALTER TABLE pushserver.unread_events DROP CONSTRAINT poison')
  })
})

async function refuse(eventId: string): Promise<void> {
  await sql(`ALTER TABLE pushserver.unread_events ADD CONSTRAINT poison CHECK (event_id <> '${eventId}') NOT VALID`)
}

async function cursor(): Promise<number> {
  return Number((await sql('SELECT position FROM pushserver.cursor'))[0]?.position)
}

async function storedCounts(userId: string, roomId: string): Promise<number[]> {
  const where = `user_id = '${userId}' AND room_id = '${roomId}'`
  const [row] = await sql(`SELECT count(*) AS unread FROM pushserver.unread_events WHERE ${where}`)
  return [Number(row?.unread)]
}

function sql(text: string): Promise<Record<string, unknown>[]> {
  return adminQuery(h.server.connectionString, text)
}

/** Starts again on that cursor, as a crash between the commit and the counting leaves it: an orderly end moves it. */
async function restartAt(position: number): Promise<void> {
  await sql(`UPDATE pushserver.cursor SET position = ${position}`)
  await sql(`CREATE FUNCTION pushserver.skip() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`)
  await sql('CREATE TRIGGER skip BEFORE INSERT ON pushserver.cursor FOR EACH ROW EXECUTE FUNCTION pushserver.skip()')
  await h.server.restart()
  await sql('DROP TRIGGER skip ON pushserver.cursor')
  await sql('DROP FUNCTION pushserver.skip()')
}
