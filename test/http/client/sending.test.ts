import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestServer, type TestServer, type TestUser } from '../../support/server.js'
import { createRoom, getState, ok, publicRoom, refusal, say, setState } from './rooms-support.js'

let server: TestServer
let alice: TestUser
let bob: TestUser
let carol: TestUser

beforeAll(async () => {
  server = await startTestServer()
  alice = await server.register('alice')
  bob = await server.register('bob')
  carol = await server.register('carol')
})
afterAll(() => server.stop())

const UNKNOWN_ROOM = '!unknown:test.example'
const VERSIONS = ['1', '2', '3', '6', '10', '11', '12']

function event(user: TestUser, roomId: string, eventId: string) {
  return user.get(`/rooms/${roomId}/event/${encodeURIComponent(eventId)}`)
}

describe('sending', () => {
  test('the same transaction id gives the same event, at once, later, and on a restarted server', async () => {
    const roomId = await publicRoom(alice)
    const send = () => ok(alice.put(`/rooms/${roomId}/send/m.room.message/t%2F1`, { body: 'once' }))
    const answers = await Promise.all([send(), send(), send()])
    await server.restart()
    answers.push(await send())
    expect(new Set(answers.map(({ body }) => body.event_id)).size).toBe(1)
    const other = await server.login('alice')
    const elsewhere = await ok(other.put(`/rooms/${roomId}/send/m.room.message/t%2F1`, { body: 'once' }))
    expect(elsewhere.body.event_id).not.toBe(answers[0]?.body.event_id)
    const seen = (await event(alice, roomId, answers[0]?.body.event_id)).body
    expect(seen).toMatchObject({ type: 'm.room.message', content: { body: 'once' }, room_id: roomId })
    expect(seen.unsigned.transaction_id).toBe('t/1')
    expect((await event(other, roomId, answers[0]?.body.event_id)).body.unsigned.transaction_id).toBeUndefined()
  })

  test('a repeated request finds its event also when it would not be allowed any more', async () => {
    const roomId = await publicRoom(alice, [bob])
    const send = () => ok(bob.put(`/rooms/${roomId}/send/m.room.message/1`, { body: 'last words' }))
    const first = await send()
    await ok(alice.post(`/rooms/${roomId}/kick`, { user_id: bob.userId }))
    expect((await send()).body).toEqual(first.body)
    expect(await refusal(bob.put(`/rooms/${roomId}/send/m.room.message/2`, {}))).toEqual([403, 'M_FORBIDDEN'])
  })

  test('outsiders cannot tell a room that is closed to them from one that is not there', async () => {
    const roomId = await createRoom(alice)
    for (const room of [roomId, UNKNOWN_ROOM]) {
      const answers = await Promise.all([
        bob.put(`/rooms/${room}/send/m.room.message/1`, {}),
        bob.put(`/rooms/${room}/redact/$event/1`, {}),
        setState(bob, room, 'm.room.name', { name: 'mine' }),
        bob.get(`/rooms/${room}/state`),
        bob.get(`/rooms/${room}/state/m.room.name`),
        bob.get(`/rooms/${room}/members`),
        bob.get(`/rooms/${room}/members?at=s1`),
        bob.get(`/rooms/${room}/joined_members`),
        bob.get(`/rooms/${room}/messages?dir=b`),
        bob.get(`/rooms/${room}/context/$event`),
        bob.get(`/rooms/${room}/aliases`),
      ])
      expect(new Set(answers.map(({ status, body }) => JSON.stringify([status, body])))).toEqual(
        new Set([JSON.stringify([403, { errcode: 'M_FORBIDDEN', error: 'You are not in this room' }])]),
      )
    }
  })

  test.each([
    [{ n: 1.5 }, [400, 'M_BAD_JSON']],
    ['{"n":-0}', [400, 'M_BAD_JSON']],
    ['{"n":1e999}', [400, 'M_BAD_JSON']],
    ['{"n":9007199254740992}', [400, 'M_BAD_JSON']],
    ['{"n":NaN}', [400, 'M_NOT_JSON']],
    ['[]', [400, 'M_BAD_JSON']],
    ['"\\ud800"', [400, 'M_BAD_JSON']],
    [{ text: 'x'.repeat(65_536) }, [413, 'M_TOO_LARGE']],
  ] as const)('refuses %j', async (body, expected) => {
    const roomId = await createRoom(alice)
    expect(await refusal(alice.put(`/rooms/${roomId}/send/m.room.message/1`, body))).toEqual(expected)
  })

  test('sizes count in bytes (F47), and NUL is a character like any other (F45)', async () => {
    const roomId = await createRoom(alice)
    const send = (type: string, txnId = type) =>
      alice.put(`/rooms/${roomId}/send/${encodeURIComponent(type)}/${encodeURIComponent(txnId)}`, { body: '\u0000' })
    await ok(send('é'.repeat(127)))
    expect(await refusal(send('é'.repeat(128), 'x'))).toEqual([413, 'M_TOO_LARGE'])
    expect(await refusal(send('m.text', 'é'.repeat(128)))).toEqual([400, 'M_INVALID_PARAM'])
    const { body } = await ok(send('a\u0000b'))
    expect((await event(alice, roomId, body.event_id)).body).toMatchObject({
      type: 'a\u0000b',
      content: { body: '\u0000' },
    })
    expect(await refusal(setState(alice, roomId, 'x', {}, 'é'.repeat(128)))).toEqual([413, 'M_TOO_LARGE'])
  })

  test('a message costs at most 12 statements, a state event too', async () => {
    const roomId = await publicRoom(alice, [bob])
    const message = await server.statements(() => say(alice, roomId, 'hello'))
    expect(message.length, message.join('\n')).toBeLessThanOrEqual(12)
    const state = await server.statements(() => ok(setState(alice, roomId, 'm.room.topic', { topic: 'counted' })))
    expect(state.length, state.join('\n')).toBeLessThanOrEqual(12)
  })
})

describe('state', () => {
  test('an empty key may be written in three ways', async () => {
    const roomId = await createRoom(alice)
    const paths = [`/rooms/${roomId}/state/com.example`, `/rooms/${roomId}/state/com.example/`]
    for (const [index, path] of paths.entries()) {
      await ok(alice.put(path, { index }))
      for (const other of paths) expect((await ok(alice.get(other))).body).toEqual({ index })
    }
    expect(await refusal(getState(alice, roomId, 'com.example', 'other'))).toEqual([404, 'M_NOT_FOUND'])
  })

  test('setting what is so already makes no event', async () => {
    const roomId = await createRoom(alice)
    const first = await ok(setState(alice, roomId, 'm.room.topic', { topic: 'same' }))
    const second = await ok(setState(alice, roomId, 'm.room.topic', { topic: 'same' }))
    expect(second.body).toEqual(first.body)
    const shown = await alice.get(`/rooms/${roomId}/state/m.room.topic?format=event`)
    expect(shown.body).toMatchObject({ event_id: first.body.event_id, state_key: '', sender: alice.userId })
    const { unsigned: _unsigned, ...topic } = shown.body
    expect((await alice.get(`/rooms/${roomId}/state`)).body).toContainEqual(expect.objectContaining(topic))
  })

  test('needs the power', async () => {
    const roomId = await publicRoom(alice, [bob])
    expect(await refusal(setState(bob, roomId, 'm.room.name', { name: 'x' }))).toEqual([403, 'M_FORBIDDEN'])
    const levels = (await getState(alice, roomId, 'm.room.power_levels')).body
    expect(await refusal(setState(bob, roomId, 'm.room.power_levels', levels))).toEqual([200, undefined])
    const changed = { ...levels, users: { ...levels.users, [bob.userId]: 50 } }
    expect(await refusal(setState(bob, roomId, 'm.room.power_levels', changed))).toEqual([403, 'M_FORBIDDEN'])
  })

  test.each([
    ['m.room.encryption', {}, [400, 'M_BAD_JSON']],
    ['m.room.encryption', { algorithm: 7 }, [400, 'M_BAD_JSON']],
    ['m.room.history_visibility', { history_visibility: 'open' }, [400, 'M_BAD_JSON']],
    ['m.room.server_acl', { allow: [] }, [400, 'M_INVALID_PARAM']],
    ['m.room.server_acl', { allow: ['*'], deny: ['TEST.*'] }, [400, 'M_INVALID_PARAM']],
    ['m.room.create', {}, [403, 'M_FORBIDDEN']],
    ['m.room.redaction', { redacts: '$event' }, [400, 'M_INVALID_PARAM']],
    ['m.room.canonical_alias', { alias: '#none:test.example' }, [400, 'M_BAD_ALIAS']],
    ['m.room.canonical_alias', { alias: '#x:elsewhere.example' }, [400, 'M_BAD_ALIAS']],
    ['m.room.canonical_alias', { alias: '%none:test.example' }, [400, 'M_INVALID_PARAM']],
    ['m.room.canonical_alias', { alt_aliases: [7] }, [400, 'M_INVALID_PARAM']],
    ['m.room.canonical_alias', { alt_aliases: {} }, [400, 'M_BAD_JSON']],
  ] as const)('refuses %s %j', async (type, content, expected) => {
    const roomId = await createRoom(alice)
    expect(await refusal(setState(alice, roomId, type, content))).toEqual(expected)
  })

  test('a tombstone leads to another room', async () => {
    const roomId = await createRoom(alice)
    const tombstone = { body: 'gone', replacement_room: roomId }
    expect(await refusal(setState(alice, roomId, 'm.room.tombstone', tombstone))).toEqual([400, 'M_INVALID_PARAM'])
    await ok(setState(alice, roomId, 'm.room.tombstone', { ...tombstone, replacement_room: UNKNOWN_ROOM }))
  })

  test('aliases that were there already are not looked up again', async () => {
    const roomId = await createRoom(alice, { room_alias_name: 'kept' })
    await ok(alice.put('/directory/room/%23second:test.example', { room_id: roomId }))
    const content = { alias: '#kept:test.example', alt_aliases: ['#second:test.example'] }
    await ok(setState(alice, roomId, 'm.room.canonical_alias', content))
    const other = await createRoom(alice)
    expect(await refusal(setState(alice, other, 'm.room.canonical_alias', content))).toEqual([400, 'M_BAD_ALIAS'])
  })
})

describe('redacting', () => {
  test.each(VERSIONS)('in version %s by its own path and by /send', async (version) => {
    const roomId = await publicRoom(alice, [], { room_version: version })
    const targets = [await say(alice, roomId, 'first'), await say(alice, roomId, 'second')]
    const [first = '', second = ''] = targets
    const path = `/rooms/${roomId}/redact/${encodeURIComponent(first)}/1`
    const redactions = [
      (await ok(alice.put(path, { reason: 'why' }))).body.event_id,
      (await ok(alice.put(`/rooms/${roomId}/send/m.room.redaction/2`, { redacts: second, reason: 'why' }))).body
        .event_id,
    ]
    expect((await ok(alice.put(path, { reason: 'why' }))).body.event_id).toBe(redactions[0])
    for (const [index, target] of targets.entries()) {
      const { body } = await event(alice, roomId, target)
      expect(body.content).toEqual({})
      expect(body.unsigned.redacted_because.event_id).toBe(redactions[index])
      const redaction = (await event(alice, roomId, redactions[index])).body
      expect(redaction).toMatchObject({ redacts: target, content: { reason: 'why', redacts: target } })
      const around = await alice.get(`/rooms/${roomId}/context/${encodeURIComponent(target)}`)
      expect(around.body.event.content).toEqual({})
    }
  })

  test('is for the sender and for who has the power', async () => {
    const roomId = await publicRoom(alice, [bob, carol])
    const target = await say(bob, roomId, 'hello')
    const redact = (user: TestUser, eventId: string, txnId: string, room = roomId) =>
      user.put(`/rooms/${room}/redact/${encodeURIComponent(eventId)}/${txnId}`, {})
    expect(await refusal(redact(carol, target, '1'))).toEqual([403, 'M_FORBIDDEN'])
    const bySend = carol.put(`/rooms/${roomId}/send/m.room.redaction/2`, { redacts: target })
    expect(await refusal(bySend)).toEqual([403, 'M_FORBIDDEN'])
    const other = await publicRoom(alice)
    expect(await refusal(redact(alice, target, '3', other))).toEqual([400, 'M_INVALID_PARAM'])
    expect(await refusal(redact(carol, '$nothing', '4'))).toEqual([404, 'M_NOT_FOUND'])
    const create = (await alice.get(`/rooms/${roomId}/state/m.room.create?format=event`)).body.event_id
    expect(await refusal(redact(alice, create, '5'))).toEqual([403, 'M_FORBIDDEN'])
    await ok(redact(alice, target, '6'))
    expect((await event(bob, roomId, target)).body.content).toEqual({})
  })

  test('reaches no event of another room, whatever the power here', async () => {
    const target = await say(alice, await createRoom(alice), 'elsewhere')
    const here = await createRoom(alice)
    expect(await refusal(alice.put(`/rooms/${here}/redact/${target}/1`))).toEqual([400, 'M_INVALID_PARAM'])
    const viaSend = alice.put(`/rooms/${here}/send/m.room.redaction/2`, { redacts: target })
    expect(await refusal(viaSend)).toEqual([400, 'M_INVALID_PARAM'])
  })

  test('needs a target', async () => {
    const roomId = await publicRoom(alice)
    const send = (content: object) => refusal(alice.put(`/rooms/${roomId}/send/m.room.redaction/1`, content))
    expect(await send({})).toEqual([400, 'M_MISSING_PARAM'])
    expect(await send({ redacts: 7 })).toEqual([400, 'M_BAD_JSON'])
    expect(await send({ redacts: 'event' })).toEqual([400, 'M_BAD_JSON'])
  })
})
