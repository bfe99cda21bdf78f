import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { UserId } from '../../../src/protocol/ids.js'
import { createTestKeyServer, json, type TestKeyServer } from './support.js'

let t: TestKeyServer
beforeAll(async () => {
  t = await createTestKeyServer()
})
afterAll(() => t.close())

const ALGORITHM = 'm.megolm_backup.v1.curve25519-aes-sha2'

function key(first: number, forwarded = 0, verified = false) {
  return { first_message_index: first, forwarded_count: forwarded, is_verified: verified, session_data: { s: first } }
}

function put(userId: UserId, version: string, sessions: Record<string, object>) {
  const list = Object.entries(sessions).map(([sessionId, data]) => ({ roomId: '!r', sessionId, data: json(data) }))
  return t.keyserver.putBackupKeys(userId, version, list)
}

async function stored(userId: UserId, version: string, sessionId: string) {
  const [session] = await t.keyserver.backupKeys(userId, version, '!r', sessionId)
  return session && JSON.parse(session.json)
}

describe('key backups', () => {
  it('are numbered from 1, and the newest that is not deleted is the current one', async () => {
    const alice = await t.account('versions')
    expect(await t.keyserver.backup(alice)).toBeUndefined()
    for (const version of ['1', '2', '3']) {
      expect(await t.keyserver.createBackup(alice, ALGORITHM, json({ v: version }))).toBe(version)
    }
    expect(await t.keyserver.deleteBackup(alice, '3')).toBe(true)
    expect(await t.keyserver.deleteBackup(alice, '3')).toBe(false)
    expect(await t.keyserver.backup(alice)).toMatchObject({ version: '2', authData: { v: '2' }, count: 0 })
    expect(await t.keyserver.createBackup(alice, ALGORITHM, json({}))).toBe('4')
    for (const bogus of ['3', '0', '01', '1e0', ' 1', 'bogus', '9'.repeat(40)]) {
      expect(await t.keyserver.backup(alice, bogus)).toBeUndefined()
    }
  })

  it('made at the same moment get different numbers', async () => {
    const alice = await t.account('parallel')
    const versions = await Promise.all([1, 2, 3, 4].map(() => t.keyserver.createBackup(alice, ALGORITHM, null)))
    expect(versions.sort()).toEqual(['1', '2', '3', '4'])
  })

  it('change their data and not their algorithm', async () => {
    const alice = await t.account('update')
    const version = await t.keyserver.createBackup(alice, ALGORITHM, 'opaque')
    expect(await t.keyserver.updateBackup(alice, version, ALGORITHM, 'other')).toBe(true)
    expect(await t.keyserver.backup(alice, version)).toMatchObject({ authData: 'other' })
    expect(await t.keyserver.updateBackup(alice, '7', ALGORITHM, 'other')).toBe(false)
    const changed = t.keyserver.updateBackup(alice, version, 'm.other', 'x')
    await expect(changed).rejects.toMatchObject({ errcode: 'M_INVALID_PARAM' })
  })

  it('count their keys, and the etag changes with them only', async () => {
    const alice = await t.account('etag')
    const version = await t.keyserver.createBackup(alice, ALGORITHM, null)
    const first = await put(alice, version, { a: key(3), b: key(3) })
    expect(first.count).toBe(2)
    expect(await put(alice, version, { a: key(3), b: key(4) })).toEqual(first)
    const better = await put(alice, version, { a: key(1) })
    expect(better.count).toBe(2)
    expect(better.etag).not.toBe(first.etag)
    expect(await t.keyserver.backup(alice)).toMatchObject(better)
    const fewer = await t.keyserver.deleteBackupKeys(alice, version, '!r', 'a')
    expect(fewer.count).toBe(1)
    expect(fewer.etag).not.toBe(better.etag)
    expect(await t.keyserver.deleteBackupKeys(alice, version, '!other')).toEqual(fewer)
    expect((await t.keyserver.deleteBackupKeys(alice, version)).count).toBe(0)
  })

  it.each([
    ['a verified one beats one that reaches further back', key(0), key(9, 9, true)],
    ['one that reaches further back beats a later one', key(5), key(4, 9)],
    ['one forwarded less often beats another', key(5, 2), key(5, 1)],
  ])('keep the better of two keys: %s', async (what, worse, better) => {
    const alice = await t.account(`better${what.length}`)
    const version = await t.keyserver.createBackup(alice, ALGORITHM, null)
    await put(alice, version, { s: worse })
    await put(alice, version, { s: better })
    expect(await stored(alice, version, 's')).toEqual(better)
    await put(alice, version, { s: worse })
    expect(await stored(alice, version, 's')).toEqual(better)
  })

  it('take keys for the newest version only, and say which that is', async () => {
    const alice = await t.account('wrong')
    await expect(put(alice, '1', { s: key(1) })).rejects.toMatchObject({ errcode: 'M_NOT_FOUND' })
    const old = await t.keyserver.createBackup(alice, ALGORITHM, null)
    const current = await t.keyserver.createBackup(alice, ALGORITHM, null)
    await expect(put(alice, old, { s: key(1) })).rejects.toMatchObject({
      errcode: 'M_WRONG_ROOM_KEYS_VERSION',
      status: 403,
      extra: { current_version: current },
    })
  })

  it('are found by room and session, and an unknown version is not found', async () => {
    const alice = await t.account('find')
    const version = await t.keyserver.createBackup(alice, ALGORITHM, null)
    await put(alice, version, { a: key(1) })
    expect(await t.keyserver.backupKeys(alice, version, '!r', 'b')).toEqual([])
    expect(await t.keyserver.backupKeys(alice, version, '!other')).toEqual([])
    expect(await t.keyserver.backupKeys(alice, version)).toHaveLength(1)
    await expect(t.keyserver.backupKeys(alice, 'bogus')).rejects.toMatchObject({ errcode: 'M_NOT_FOUND' })
  })

  it('refuse keys of the wrong shape', async () => {
    const alice = await t.account('shape')
    const version = await t.keyserver.createBackup(alice, ALGORITHM, null)
    for (const wrong of [{}, { ...key(1), is_verified: 1 }, { ...key(1), first_message_index: 1.5 }]) {
      await expect(put(alice, version, { s: wrong })).rejects.toMatchObject({ errcode: 'M_BAD_JSON' })
    }
    const long = put(alice, version, { ['s'.repeat(256)]: key(1) })
    await expect(long).rejects.toMatchObject({ errcode: 'M_INVALID_PARAM' })
  })

  it('of a deleted version are gone', async () => {
    const alice = await t.account('deleted')
    const version = await t.keyserver.createBackup(alice, ALGORITHM, null)
    await put(alice, version, { a: key(1) })
    await t.keyserver.deleteBackup(alice, version)
    const next = await t.keyserver.createBackup(alice, ALGORITHM, null)
    expect(await t.keyserver.backupKeys(alice, next)).toEqual([])
  })
})
