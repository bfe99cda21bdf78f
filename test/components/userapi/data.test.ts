import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { USER_STREAMS } from '../../../src/components/userapi/index.js'
import { parseRoomId, type RoomId, userIdOf } from '../../../src/protocol/ids.js'
import type { JsonObject } from '../../../src/protocol/json.js'
import { createTestUserApi, SERVER_NAME, type TestUserApi } from '../../support/userapi.js'

const alice = userIdOf('alice', SERVER_NAME)
const bob = userIdOf('bob', SERVER_NAME)
const room = parseRoomId('!room:test.example') as RoomId

let t: TestUserApi
beforeAll(async () => {
  t = await createTestUserApi()
  await t.userapi.createAccount({ userId: alice, type: 'user', displayName: 'Alice' })
  await t.userapi.createAccount({ userId: bob, type: 'user' })
})
afterAll(() => t.close())

describe('profiles', () => {
  it('hold any field, exactly as it was given, and lose none to a concurrent change', async () => {
    await Promise.all(
      Array.from({ length: 10 }, (_, n) => t.userapi.setProfileField(alice, `org.example.f${n}`, { n, nul: '\0' })),
    )
    const profile = await t.userapi.profile(alice)
    expect(Object.keys(profile ?? {})).toHaveLength(11)
    expect(profile).toMatchObject({ displayname: 'Alice', 'org.example.f3': { n: 3, nul: '\0' } })
    expect(await (await t.again()).profile(alice)).toEqual(profile)
    await t.userapi.setProfileField(alice, 'org.example.f3', undefined)
    expect(await t.userapi.profile(alice)).not.toHaveProperty('org.example.f3')
  })

  it('keep a null, which is not the same as no field', async () => {
    await t.userapi.setProfileField(alice, 'org.example.null', null)
    expect(await t.userapi.profile(alice)).toMatchObject({ 'org.example.null': null })
  })

  it('have bounds: 255 bytes a key, 64 KiB in all, and what rooms are shown less', async () => {
    const set = (field: string, value: string) => t.userapi.setProfileField(bob, field, value)
    await expect(set(`a${'é'.repeat(128)}`, 'x')).rejects.toMatchObject({ errcode: 'M_KEY_TOO_LARGE' })
    await expect(set('org.example.big', 'x'.repeat(65_536))).rejects.toMatchObject({ errcode: 'M_PROFILE_TOO_LARGE' })
    await expect(set('displayname', 'x'.repeat(257))).rejects.toMatchObject({ errcode: 'M_TOO_LARGE', status: 400 })
    await expect(set('avatar_url', 'x'.repeat(1_001))).rejects.toMatchObject({ errcode: 'M_TOO_LARGE' })
    await set('org.example.big', 'x'.repeat(65_000))
    await expect(set('org.example.more', 'x'.repeat(1_000))).rejects.toMatchObject({ errcode: 'M_PROFILE_TOO_LARGE' })
    await t.userapi.setProfileField(bob, 'org.example.big', undefined)
  })

  it('of many users come in one statement, in none when they are known, and a change in one', async () => {
    const restarted = await t.again()
    const nobody = userIdOf('nobody', SERVER_NAME)
    expect(await t.statements(() => restarted.profiles([alice, bob, nobody]))).toHaveLength(1)
    expect(await t.statements(() => restarted.profiles([alice, bob]))).toEqual([])
    expect(await t.statements(() => restarted.setProfileField(alice, 'displayname', 'A.'))).toHaveLength(1)
    expect((await restarted.profile(alice))?.displayname).toBe('A.')
    expect(await restarted.profile(nobody)).toBeUndefined()
    await expect(restarted.setProfileField(nobody, 'displayname', 'N')).rejects.toMatchObject({
      errcode: 'M_NOT_FOUND',
    })
  })
})

describe('account data', () => {
  it('comes back as it was sent, with its position, and only what has changed since', async () => {
    const text = '{"b":1.0,"a":9007199254740993,"nul":"\\u0000"}'
    const before = t.streamClock.visible
    const position = await t.userapi.setAccountData(alice, undefined, 'org.x', text)
    const inRoom = await t.userapi.setAccountData(alice, room, 'org.x', '{"in":"room"}')
    await t.streamClock.caughtUp(1_000)
    expect(position).toBeGreaterThan(before)
    expect(inRoom).toBeGreaterThan(position)
    expect(t.streamClock.visible).toBeGreaterThanOrEqual(inRoom)
    expect(t.feed.mayHaveChanged(USER_STREAMS.accountData, alice, before)).toBe(true)
    expect(t.feed.mayHaveChanged(USER_STREAMS.accountData, alice, inRoom)).toBe(false)
    expect(t.feed.mayHaveChanged(USER_STREAMS.accountData, bob, before)).toBe(false)
    expect(await t.userapi.accountData(alice, undefined, 'org.x')).toMatchObject({ content: text, roomId: undefined })
    expect(await t.userapi.accountData(alice, room, 'org.x')).toMatchObject({ content: '{"in":"room"}', roomId: room })
    expect(await t.userapi.accountData(bob, room, 'org.x')).toBeUndefined()
    expect(await t.userapi.accountDataBetween(alice, position, inRoom)).toMatchObject([{ position: inRoom }])
    expect(await t.userapi.accountDataBetween(alice, 0, inRoom)).toHaveLength(2)
  })

  it('is changed in place without losing a concurrent change', async () => {
    const add = (n: number) => (content: JsonObject) => ({ ...content, [`k${n}`]: n })
    await Promise.all(Array.from({ length: 10 }, (_, n) => t.userapi.updateAccountData(bob, room, 'm.tag', add(n))))
    const entry = await t.userapi.accountData(bob, room, 'm.tag')
    expect(Object.keys(JSON.parse(entry?.content ?? ''))).toHaveLength(10)
    const statements = await t.statements(() => t.userapi.updateAccountData(bob, room, 'm.tag', () => undefined))
    expect(statements).not.toContain('userapi.account_data.upsert')
  })

  it('has bounds of one entry and of all that a user has', async () => {
    const carol = userIdOf('carol', SERVER_NAME)
    await t.userapi.createAccount({ userId: carol, type: 'user' })
    const filling = `{"x":"${'x'.repeat(262_000)}"}`
    const set = (type: string, content = filling) => t.userapi.setAccountData(carol, undefined, type, content)
    await expect(set('big', `{"x":"${'x'.repeat(262_144)}"}`)).rejects.toMatchObject({ errcode: 'M_TOO_LARGE' })
    await expect(set('t'.repeat(256), '{}')).rejects.toMatchObject({ errcode: 'M_TOO_LARGE' })
    // The same entry over and over is one entry.
    for (let n = 0; n < 45; n++) await set('same')
    for (let n = 0; n < 39; n++) await set(`more${n}`)
    await expect(set('too much')).rejects.toMatchObject({ errcode: 'M_TOO_LARGE' })
    await set('small', '{}')
  })

  it('gives the ignored users, from memory when they are known', async () => {
    expect(await t.userapi.ignoredUsers(alice)).toEqual(new Set())
    const list = { ignored_users: { '@spam:x.example': {}, 'not a user': {}, __proto__: {} } }
    await t.userapi.setAccountData(alice, undefined, 'm.ignored_user_list', JSON.stringify(list))
    expect(await t.userapi.ignoredUsers(alice)).toEqual(new Set(['@spam:x.example']))
    expect(await t.statements(() => t.userapi.ignoredUsers(alice))).toEqual([])
    for (const odd of ['{"ignored_users":[]}', '{"ignored_users":5}', '{}']) {
      await t.userapi.setAccountData(alice, undefined, 'm.ignored_user_list', odd)
      expect(await t.userapi.ignoredUsers(alice)).toEqual(new Set())
    }
  })

  it('of one type is read for many users in one statement', async () => {
    await t.userapi.setAccountData(bob, undefined, 'org.many', '{"b":1}')
    const found = await t.userapi.accountDataOf([alice, bob], 'org.many')
    expect([...found]).toEqual([[bob, '{"b":1}']])
  })
})

describe('filters', () => {
  it('the same filter has the same id, another one another, also when they are made at once', async () => {
    const made = await Promise.all(
      Array.from({ length: 12 }, (_, n) => t.userapi.saveFilter(alice, `{"room":{"timeline":{"limit":${n % 4}}}}`)),
    )
    expect(new Set(made).size).toBe(4)
    expect(made[0]).toBe(made[4])
    expect(await t.userapi.filter(alice, made[1] ?? '')).toBe('{"room":{"timeline":{"limit":1}}}')
    expect(await t.statements(() => t.userapi.filter(alice, made[1] ?? ''))).toEqual([])
    expect(await (await t.again()).filter(alice, made[1] ?? '')).toBe('{"room":{"timeline":{"limit":1}}}')
  })

  it('with ids that were never given are not there', async () => {
    for (const id of ['', '99', '-1', '1e0', '01', ' 1', '9'.repeat(30), '\0', 'constructor']) {
      expect(await t.userapi.filter(alice, id), id).toBeUndefined()
    }
    expect(await t.userapi.filter(bob, '0')).toBeUndefined()
  })

  it('have a bound', async () => {
    const filter = JSON.stringify({ x: 'x'.repeat(65_536) })
    await expect(t.userapi.saveFilter(alice, filter)).rejects.toMatchObject({ errcode: 'M_TOO_LARGE' })
  })
})
