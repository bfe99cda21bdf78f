import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openLog } from '../../src/platform/log.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'neurite-log-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const linesOf = (path: string) =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

describe('the log', () => {
  it('writes what each output asks for, with the component, into a folder that it makes', () => {
    const [all, some] = [join(folder, 'new', 'all.log'), join(folder, 'some.log')]
    const log = openLog([
      { type: 'file', path: all, level: 'debug' },
      { type: 'file', path: some, level: 'warn' },
    ])
    log.trace('not asked for')
    log.child('roomserver').debug({ room: '!a:b' }, 'detail')
    log.warn('attention')
    expect(linesOf(all).map(({ level, msg }) => [level, msg])).toEqual([
      ['debug', 'detail'],
      ['warn', 'attention'],
    ])
    expect(linesOf(all)[0]).toMatchObject({ component: 'roomserver', room: '!a:b' })
    expect(linesOf(some)).toHaveLength(1)
    log.close()
  })

  it('never writes secrets', () => {
    const path = join(folder, 'a.log')
    const log = openLog([{ type: 'file', path, level: 'info' }])
    log.info({ password: 'hunter2', body: { access_token: 'hunter2' }, as_token: 'hunter2' }, 'login')
    expect(readFileSync(path, 'utf8')).not.toContain('hunter2')
    log.close()
  })

  it('a full disk costs lines, which are counted, and nothing else (F61)', () => {
    const log = openLog([{ type: 'file', path: '/dev/full', level: 'info' }])
    log.info('one')
    log.info('two')
    expect(log.dropped).toBe(2)
  })

  it('a file that cannot be opened costs lines only (F61)', () => {
    mkdirSync(join(folder, 'is-a-folder'))
    const log = openLog([{ type: 'file', path: join(folder, 'is-a-folder'), level: 'info' }])
    log.error({ err: new Error('x') }, 'one')
    expect(log.dropped).toBe(1)
  })

  it('a field that throws when it is read does not throw at the caller', () => {
    const path = join(folder, 'a.log')
    const log = openLog([{ type: 'file', path, level: 'info' }])
    const hostile = {
      get value(): string {
        throw new Error('no')
      },
    }
    expect(() => log.info(hostile, 'hostile')).not.toThrow()
    log.close()
  })

  it('keeps writing after the file was moved away by a rotation', () => {
    const path = join(folder, 'a.log')
    const log = openLog([{ type: 'file', path, level: 'info' }])
    log.info('before')
    renameSync(path, `${path}.1`)
    log.info('after')
    log.close()
    log.info('anew')
    expect(linesOf(`${path}.1`).map(({ msg }) => msg)).toEqual(['before', 'after'])
    expect(linesOf(path).map(({ msg }) => msg)).toEqual(['anew'])
    log.close()
  })
})
