import { userInfo } from 'node:os'
import { describe, expect, it } from 'vitest'
import { databaseTarget, parseConnectionString } from '../../src/config/database-target.js'
import { errorOf, file, load, problemsOf } from './support.js'

const A = 'postgres://u:hunter2@one/a'
const B = 'postgres://u:hunter2@two/b'
const at = (section: string, address: string, key = 'database', more = ''): string =>
  `${section}:\n  ${key}:\n    connection_string: ${address}\n${more}`

describe('which database a file means', () => {
  it('the embedded one when no address stands anywhere', () => {
    expect(databaseTarget(load(file('')).config, {}).kind).toBe('embedded')
  })

  it('the global one, which components may repeat', () => {
    const { config, warnings } = load(file(`  database:\n    connection_string: ${A}\n${at('room_server', A)}`))
    expect(config.global.database.connection_string).toBe(A)
    expect(warnings).toEqual([])
  })

  it('the one all components agree on, with a warning and the sum of their pools', () => {
    const pool = '    max_open_conns: 10\n'
    const { config, warnings } = load(
      file(at('room_server', A, 'database', pool) + at('user_api', A, 'account_database', pool) + at('sync_api', A)),
    )
    expect(config.global.database).toMatchObject({ connection_string: A, max_open_conns: 20 })
    expect(warnings.join('\n')).toContain('user_api.account_database.connection_string')
  })

  it('components that differ are an error that lists them without passwords', () => {
    const error = errorOf(() => load(file(at('room_server', A) + at('user_api', B, 'account_database'))))
    expect(error.message).toContain('room_server.database.connection_string: postgres://u:***@one/a')
    expect(error.message).toContain('user_api.account_database.connection_string: postgres://u:***@two/b')
    expect(error.message).not.toContain('hunter2')
  })

  it('a component that differs from the global one is an error at its line', () => {
    expect(problemsOf(file(`  database:\n    connection_string: ${A}\n${at('sync_api', B)}`))).toMatchObject([
      { place: 'dendrite.yaml:8', key: 'sync_api.database.connection_string', found: 'postgres://u:***@two/b' },
    ])
  })

  it('SQLite is refused wherever it stands, also where only version 1 looks', () => {
    const sqlite = 'file:///data/dendrite.db'
    for (const yaml of [
      `  database:\n    connection_string: ${sqlite}\n`,
      at('media_api', sqlite),
      at('user_api', sqlite, 'account_database'),
      at('federation_sender', sqlite),
    ]) {
      expect(problemsOf(file(yaml))[0]?.found).toContain('SQLite')
    }
  })

  it('sections of version 1 count only where nothing else says it', () => {
    expect(load(file(at('federation_sender', A))).config.global.database.connection_string).toBe(A)
    const { config } = load(file(at('federation_sender', B) + at('room_server', A)))
    expect(config.global.database.connection_string).toBe(A)
  })

  it("the environment's beats all of the file's, and says so", () => {
    const { config, notices, warnings } = load(
      file(`  database:\n    connection_string: ${A}\n${at('sync_api', 'file:x')}`),
      { DATABASE_URL: B },
    )
    expect(config.global.database.connection_string).toBe(B)
    expect(notices).toEqual([
      'global.database.connection_string is taken from environment variable DATABASE_URL, not from what the configuration file says',
    ])
    expect(warnings.join('\n')).toContain('sync_api.database.connection_string: not used')
  })
})

describe('what a connection string leaves out', () => {
  const user = userInfo().username
  const parse = (given: string, env = {}) => {
    const parsed = parseConnectionString(given, env)
    if (typeof parsed === 'string') throw new Error(parsed)
    const { parameters, ...rest } = parsed
    return { ...rest, parameters: Object.fromEntries(parameters) }
  }

  it('an empty host is localhost:5432 when the environment is empty, as SyTest has it', () => {
    expect(parse('postgresql://sytest:pw@/sytest_0?sslmode=disable')).toEqual({
      host: 'localhost',
      port: 5432,
      user: 'sytest',
      password: 'pw',
      database: 'sytest_0',
      parameters: { sslmode: 'disable' },
    })
  })

  it('no user is the system user and no database is called like the user', () => {
    expect(parse('postgres://db.internal:5432/?sslmode=disable')).toMatchObject({
      host: 'db.internal',
      user,
      password: undefined,
      database: user,
    })
  })

  it('PGHOST and its like come before that', () => {
    const env = { PGHOST: '/run/postgresql', PGPORT: '6000', PGUSER: 'me', PGPASSWORD: 'secret', PGDATABASE: 'mine' }
    expect(parse('postgres://', env)).toMatchObject({
      host: '/run/postgresql',
      port: 6000,
      user: 'me',
      password: 'secret',
      database: 'mine',
    })
    expect(parse('postgres://you@there:1/yours', env)).toMatchObject({
      host: 'there',
      port: 1,
      user: 'you',
      database: 'yours',
    })
  })

  it('keyword/value pairs, sockets, IPv6 and escaped passwords are read as libpq does', () => {
    expect(parse("host=/tmp port=5433 user=u password='a b\\'c' dbname=d")).toMatchObject({
      host: '/tmp',
      port: 5433,
      password: "a b'c",
      database: 'd',
    })
    expect(parse('postgres://u@%2Fvar%2Frun/d').host).toBe('/var/run')
    expect(parse('postgres://u:p%40%2F%23@[::1]:5433/d')).toMatchObject({ host: '::1', port: 5433, password: 'p@/#' })
    expect(parse('postgres://u:p#1@h/d').password).toBe('p#1')
    expect(parse('postgres://u@/d?host=/tmp')).toMatchObject({ host: '/tmp' })
  })

  it('becomes a complete URL for the driver', () => {
    const url = (address: string): string => {
      const target = databaseTarget(load(file(''), { DATABASE_URL: address }).config, {})
      return target.kind === 'url' ? target.connectionString : ''
    }
    expect(url('postgresql://u:p@/db?sslmode=disable')).toBe('postgresql://u:p@localhost:5432/db?sslmode=disable')
    expect(url('postgres://u:p#1@[::1]/d')).toBe('postgresql://u:p%231@[::1]:5432/d')
    expect(url('host=/tmp user=u dbname=d')).toBe('postgresql://u@/d?host=%2Ftmp&port=5432')
  })

  it('what cannot be read is refused without repeating it', () => {
    for (const given of [
      'mysql://u:hunter2@h/d',
      'postgres://u:hunter2@a,b/d',
      'postgres://u:hunter2%@h/d',
      'hunter2',
      'postgres://u:hunter2@h:x/d',
    ]) {
      const parsed = parseConnectionString(given, {})
      expect(typeof parsed).toBe('string')
      expect(parsed).not.toContain('hunter2')
    }
  })
})
