import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { databaseTarget } from '../../src/config/database-target.js'
import { defaultConfig, loadConfig } from '../../src/config/load.js'
import { errorOf, file, fixture, load, newFolder, problemsOf } from './support.js'

describe('without any file', () => {
  it('the server is localhost with everything under ./data', () => {
    const cwd = newFolder()
    const { config, file: found, warnings, notices } = loadConfig({ env: {}, cwd })
    expect(found).toBeUndefined()
    expect([...warnings, ...notices]).toEqual([])
    expect(config.global.server_name).toBe('localhost')
    expect(config.global.data_dir).toBe(join(cwd, 'data'))
    expect(config.global.private_key).toBe(join(cwd, 'data/matrix_key.pem'))
    expect(config.media_api.base_path).toBe(join(cwd, 'data/media'))
    expect(databaseTarget(config, {})).toMatchObject({ kind: 'embedded', dataDir: join(cwd, 'data/postgres') })
    expect(config.room_server.default_room_version).toBe('12')
    expect(config).toEqual(defaultConfig(cwd))
  })

  it('a file that is named but missing is an error that says how to make one', () => {
    const error = errorOf(() => loadConfig({ file: 'missing.yaml', env: {}, cwd: newFolder() }))
    expect(error.message).toContain('missing.yaml: found no such file')
    expect(error.message).toContain('generate-config')
  })
})

describe("the user's own Dendrite file", () => {
  const loaded = () => loadConfig({ file: fixture('dendrite-v2.yaml'), env: {}, cwd: '/srv' })

  it('starts as it is, with what can be honoured', () => {
    const { config } = loaded()
    expect(config.global.server_name).toBe('xxx.fly.dev')
    expect(config.global.well_known_server_name).toBe('syui.cf:443')
    expect(config.global.private_key).toBe('/etc/dendrite/matrix_key.pem')
    expect(config.global.dns_cache).toEqual({ enabled: true, cache_size: 4000, cache_lifetime: 300_000 })
    expect(config.global.database.max_open_conns).toBe(100)
    expect(config.client_api.turn.turn_user_lifetime).toBe(0)
    expect(config.federation_api.send_max_retries).toBe(16)
    expect(config.federation_api.key_perspectives).toHaveLength(1)
    expect(config.federation_api.key_perspectives[0]?.keys.map(({ key_id }) => key_id)).toEqual([
      'ed25519:auto',
      'ed25519:a_RXGa',
    ])
    expect(config.logging).toEqual([
      { type: 'file', level: 'info', params: { path: '/var/log/dendrite', protocol: '', address: '' } },
    ])
  })

  it('is told in one warning what has no effect', () => {
    const { warnings } = loaded()
    expect(warnings).toHaveLength(1)
    for (const key of [
      'edu_server',
      'federation_sender',
      'signing_key_server',
      'global.jetstream',
      'app_service_api.database',
      'user_api.device_database',
    ]) {
      expect(warnings[0]).toContain(key)
    }
    expect(warnings[0]).not.toContain('unknown')
    expect(warnings[0]).not.toContain('\n')
  })

  it('does not send federation to its own port as the old section would', () => {
    const { config, warnings } = loaded()
    expect(config.federation_api.proxy_outbound.enabled).toBe(false)
    expect(warnings[0]).toContain('only federation_api.proxy_outbound counts')
  })

  it('reaches its database as the system user', () => {
    const target = databaseTarget(loaded().config, { PGUSER: 'postgres' })
    expect(target).toEqual({
      kind: 'url',
      connectionString: 'postgresql://postgres@db.internal:5432/postgres?sslmode=disable',
      display: 'postgres at db.internal:5432 as postgres',
      maxConnections: 100,
      maxLifetimeMs: 0,
    })
  })
})

describe('a file with every key of Dendrite', () => {
  it('is understood without one unknown key', () => {
    const { config, warnings } = loadConfig({ file: fixture('dendrite-every-key.yaml'), env: {}, cwd: '/srv' })
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).not.toContain('unknown')
    expect(config.client_api.registration_shared_secret).toBe('0123')
    expect(config.client_api.rate_limiting.enabled).toBe(true)
    expect(config.global.cache.max_size_estimated).toBe(512 * 1024 ** 2)
    expect(config.global.old_private_keys[0]).toMatchObject({ private_key: '/srv/keys/old_key.pem' })
    expect(config.app_service_api.config_files).toEqual(['/srv/bridges/irc.yaml'])
    expect(config.media_api.base_path).toBe('/srv/media_store')
    expect(config.logging[1]?.params.path).toBe('/srv/logs')
    expect(databaseTarget(config, {})).toMatchObject({ maxConnections: 42, maxLifetimeMs: 600_000 })
  })

  it('is told which of them have no effect, with reasons', () => {
    const [warning = ''] = loadConfig({ file: fixture('dendrite-every-key.yaml'), env: {}, cwd: '/srv' }).warnings
    expect(warning).toMatch(/global\.jetstream.*\(queues are in PostgreSQL\)/)
    expect(warning).toContain('tracing.jaeger (Jaeger is not supported)')
    expect(warning).toContain('global.cache.max_age')
  })

  it('has no secret in any of its warnings', () => {
    const { warnings } = loadConfig({ file: fixture('dendrite-every-key.yaml'), env: {}, cwd: '/srv' })
    expect(warnings.join('\n')).not.toMatch(/itsasecret|metricspassword|sentrysecret|turnsecret|turnpassword/)
  })
})

describe('values', () => {
  it('the loaded configuration cannot be changed at any depth', () => {
    const { config } = load(file('logging:\n- type: std\n'))
    expect(Object.isFrozen(config)).toBe(true)
    expect(Object.isFrozen(config.client_api.rate_limiting)).toBe(true)
    expect(Object.isFrozen(config.logging[0]?.params)).toBe(true)
  })

  it('empty values are the default', () => {
    const { config } = load(
      file('  key_validity_period: ""\nsync_api:\nroom_server:\n  default_room_version: ""\nclient_api:\n  turn: ~\n'),
    )
    expect(config.global.key_validity_period).toBe(604_800_000)
    expect(config.room_server.default_room_version).toBe('12')
    expect(config.client_api.turn.turn_uris).toEqual([])
  })

  it('a number where text is meant keeps the digits as written', () => {
    const { config } = load(file('client_api:\n  registration_shared_secret: 007\n  recaptcha_public_key: 1e3\n'))
    expect(config.client_api.registration_shared_secret).toBe('007')
    expect(config.client_api.recaptcha_public_key).toBe('1e3')
  })

  it('anchors and merge keys work, as in Go', () => {
    const { config } = load(
      file(
        '  database: &db\n    max_open_conns: 7\nclient_api:\n  rate_limiting:\n    <<: {threshold: 9}\n    cooloff_ms: 3\n',
      ),
    )
    expect(config.global.database.max_open_conns).toBe(7)
    expect(config.client_api.rate_limiting).toMatchObject({ threshold: 9, cooloff_ms: 3 })
  })

  it('the last of two equal keys counts, and is named', () => {
    const { config, warnings } = load(file('user_api:\n  bcrypt_cost: 5\n  bcrypt_cost: 6\n'))
    expect(config.user_api.bcrypt_cost).toBe(6)
    expect(warnings.join()).toContain('user_api.bcrypt_cost')
  })

  it('keys named like object internals are only unknown keys', () => {
    const { warnings } = load(file('  __proto__: {server_name: evil}\n  constructor: 1\ntoString: 2\n'))
    expect(warnings[0]).toContain('global.__proto__, global.constructor, toString (unknown)')
  })

  it("the log levels of Dendrite's logger are understood", () => {
    const levels = ['panic', 'Warning', 'trace'].map(
      (level) => load(file(`logging: [{level: ${level}}]\n`)).config.logging,
    )
    expect(levels.map(([first]) => first?.level)).toEqual(['fatal', 'warn', 'trace'])
  })

  it('a switched-off feature that does not exist here is not worth a warning', () => {
    expect(load(file('  jetstream:\n    topic_prefix: Dendrite\n    in_memory: false\n')).warnings).toEqual([])
  })
})

describe('errors', () => {
  it('come all at once, each with place, key, what was found and what is allowed', () => {
    const problems = problemsOf(
      'version: 2\nglobal:\n  server_name: "not a name"\n  key_validity_period: soon\n  cache:\n    max_size_estimated: lots\n' +
        'client_api:\n  registration_disabled: perhaps\n  rate_limiting: 3\nroom_server:\n  default_room_version: "99"\n' +
        'federation_api:\n  deny_networks:\n  - 10.0.0.0/99\nmedia_api:\n  thumbnail_sizes:\n  - width: 0\nlogging: std\n',
    )
    expect(problems.map(({ place, key, found }) => [place, key, found])).toEqual([
      ['dendrite.yaml:3', 'global.server_name', '"not a name"'],
      ['dendrite.yaml:4', 'global.key_validity_period', '"soon"'],
      ['dendrite.yaml:6', 'global.cache.max_size_estimated', '"lots"'],
      ['dendrite.yaml:8', 'client_api.registration_disabled', '"perhaps"'],
      ['dendrite.yaml:9', 'client_api.rate_limiting', '3'],
      ['dendrite.yaml:11', 'room_server.default_room_version', '"99"'],
      ['dendrite.yaml:14', 'federation_api.deny_networks[0]', '"10.0.0.0/99"'],
      ['dendrite.yaml:17', 'media_api.thumbnail_sizes[0].width', '0'],
      ['dendrite.yaml:18', 'logging', '"std"'],
    ])
    for (const { allowed } of problems) expect(allowed).not.toBe('')
  })

  it('a missing server name is one', () => {
    expect(problemsOf('version: 2\n')).toMatchObject([{ key: 'global.server_name', found: 'nothing' }])
  })

  it('never show a secret', () => {
    const error = errorOf(() =>
      load(
        file(
          '  database:\n    connection_string: postgres://u:hunter2@h:99999/d\n  metrics:\n    basic_auth:\n      password: [hunter2]\n' +
            'client_api:\n  registration_shared_secret: {hunter2: hunter2}\n',
        ),
      ),
    )
    expect(error.problems).toHaveLength(3)
    expect(error.message).not.toContain('hunter2')
  })

  it('of syntax name the line and do not quote the file', () => {
    for (const broken of [
      'password: *hunter2',
      'password: !hunter2 x',
      'a: "hunter2',
      'a: b: hunter2',
      'a: [hunter2',
      '\tb: hunter2',
    ]) {
      const error = errorOf(() => load(`version: 2\nglobal:\n  ${broken}\n`))
      expect(error.message).not.toContain('hunter2')
      expect(error.message).toMatch(/dendrite\.yaml:[234]: found .+; allowed: YAML/)
    }
  })

  it('a bomb of aliases is refused quickly', () => {
    const bomb = Array.from({ length: 30 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`).join(',')}]`)
    expect(errorOf(() => load(`a0: &a0 x\n${bomb.join('\n')}\nversion: 2\n`)).message).toContain('too many')
  })

  it('a version 1 file is refused with the command that converts it', () => {
    const error = errorOf(() => loadConfig({ file: fixture('dendrite-v1.yaml'), env: {}, cwd: '/srv' }))
    expect(error.problems).toHaveLength(1)
    expect(error.message).toContain('upgrade-config')
    expect(problemsOf('global: {}\n')[0]).toMatchObject({ key: 'version', found: 'nothing' })
  })

  it('an outbound proxy that is this very server is one', () => {
    const proxy = (host: string, port: number): string =>
      file(
        `federation_api:\n  proxy_outbound:\n    enabled: true\n    protocol: http\n    host: ${host}\n    port: ${port}\n`,
      )
    expect(problemsOf(proxy('localhost', 8008))).toMatchObject([
      {
        place: 'dendrite.yaml:5',
        key: 'federation_api.proxy_outbound',
        found: 'localhost:8008, which is this server itself',
      },
    ])
    expect(problemsOf(proxy('127.0.0.1', 7000), {}, ['127.0.0.1:7000'])).toHaveLength(1)
    expect(problemsOf(proxy('example.com', 8448))).toHaveLength(1)
    expect(load(proxy('localhost', 3128)).config.federation_api.proxy_outbound).toMatchObject({
      enabled: true,
      port: 3128,
    })
    expect(load(proxy('proxy.example.com', 8008)).config.federation_api.proxy_outbound.enabled).toBe(true)
  })

  it('an error in a moved section shows the line it stands in', () => {
    expect(problemsOf(file('federation_sender:\n  send_max_retries: many\n'))).toMatchObject([
      { place: 'dendrite.yaml:5', key: 'federation_api.send_max_retries' },
    ])
  })

  it('a captcha without keys, a log file without a folder and a key without its file are some', () => {
    const keys = problemsOf(
      file(
        '  old_private_keys:\n  - expired_at: 5\nclient_api:\n  enable_registration_captcha: true\nlogging:\n- type: file\n',
      ),
    ).map(({ key }) => key)
    expect(keys).toEqual([
      'global.old_private_keys[0]',
      'client_api.recaptcha_public_key',
      'client_api.recaptcha_private_key',
      'logging[0].params.path',
    ])
  })
})

describe('SECURITY 3: an unset secret', () => {
  it('stays unset: nothing is derived for it', () => {
    expect(defaultConfig('/srv').client_api.registration_shared_secret).toBe('')
    expect(defaultConfig('/srv').global.metrics).toMatchObject({ enabled: false, basic_auth: { password: '' } })
  })
})

describe('the file itself', () => {
  it('is found as dendrite.yaml in the working directory', () => {
    const cwd = newFolder()
    writeFileSync(join(cwd, 'dendrite.yaml'), file(''))
    expect(loadConfig({ env: {}, cwd }).file).toBe(join(cwd, 'dendrite.yaml'))
  })

  it('is not changed by being read', () => {
    const before = readFileSync(fixture('dendrite-v2.yaml'), 'utf8')
    loadConfig({ file: fixture('dendrite-v2.yaml'), env: {}, cwd: newFolder() })
    expect(readFileSync(fixture('dendrite-v2.yaml'), 'utf8')).toBe(before)
  })
})
