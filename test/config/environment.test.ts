import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { environmentKeys } from '../../src/config/environment.js'
import { errorOf, file, load, newFolder, problemsOf } from './support.js'

describe('environment variables', () => {
  it('each key has one name of its own', () => {
    const names = environmentKeys().map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    expect(names).toContain('NEURITE_GLOBAL_SERVER_NAME')
    expect(names).toContain('NEURITE_MEDIA_API_MAX_FILE_SIZE_BYTES')
    expect(names).toContain('NEURITE_CLIENT_API_RATE_LIMITING_COOLOFF_MS')
  })

  it('set texts, numbers, switches, durations, sizes and lists', () => {
    const { config } = load(undefined, {
      NEURITE_GLOBAL_SERVER_NAME: 'env.example.com',
      NEURITE_MEDIA_API_MAX_FILE_SIZE_BYTES: '5',
      NEURITE_CLIENT_API_REGISTRATION_DISABLED: 'false',
      NEURITE_GLOBAL_KEY_VALIDITY_PERIOD: '24h',
      NEURITE_GLOBAL_DNS_CACHE_CACHE_LIFETIME: '90',
      NEURITE_GLOBAL_CACHE_MAX_SIZE_ESTIMATED: '64mb',
      NEURITE_GLOBAL_TRUSTED_PROXIES: '10.0.0.0/8, fdaa::/16',
    })
    expect(config.global.server_name).toBe('env.example.com')
    expect(config.media_api.max_file_size_bytes).toBe(5)
    expect(config.client_api.registration_disabled).toBe(false)
    expect(config.global.key_validity_period).toBe(86_400_000)
    expect(config.global.dns_cache.cache_lifetime).toBe(90_000)
    expect(config.global.cache.max_size_estimated).toBe(64 * 1024 ** 2)
    expect(config.global.trusted_proxies).toEqual(['10.0.0.0/8', 'fdaa::/16'])
  })

  it('have short names for what nearly everybody sets', () => {
    const cwd = newFolder()
    const { config, httpBindAddress } = load(undefined, {
      DATABASE_URL: 'postgres://u@h/d',
      NEURITE_SERVER_NAME: 'short.example.com',
      NEURITE_DATA_DIR: cwd,
      NEURITE_HTTP_BIND_ADDRESS: ':8080',
    })
    expect(config.global.database.connection_string).toBe('postgres://u@h/d')
    expect(config.global.server_name).toBe('short.example.com')
    expect(config.global.private_key).toBe(join(cwd, 'matrix_key.pem'))
    expect(httpBindAddress).toBe(':8080')
  })

  it('win over the file, with a word at start where they differ', () => {
    const same = load(file(''), { NEURITE_SERVER_NAME: 'example.com' })
    expect(same.notices).toEqual([])
    const other = load(file(''), { NEURITE_SERVER_NAME: 'other.example.com' })
    expect(other.config.global.server_name).toBe('other.example.com')
    expect(other.notices).toHaveLength(1)
  })

  it('the long name wins over the short one', () => {
    const { config, notices } = load(undefined, {
      NEURITE_SERVER_NAME: 'short.org',
      NEURITE_GLOBAL_SERVER_NAME: 'long.org',
    })
    expect(config.global.server_name).toBe('long.org')
    expect(notices[0]).toContain('not from environment variable NEURITE_SERVER_NAME')
  })

  it('are named in errors as the place', () => {
    expect(problemsOf(file(''), { NEURITE_USER_API_BCRYPT_COST: '3' })).toEqual([
      {
        place: 'environment variable NEURITE_USER_API_BCRYPT_COST',
        key: 'user_api.bcrypt_cost',
        found: '"3"',
        allowed: 'a whole number from 4 to 20',
      },
    ])
  })

  it('empty ones count as unset and unknown ones are named', () => {
    const { config, warnings } = load(file(''), {
      NEURITE_SERVER_NAME: '',
      DATABASE_URL: '',
      NEURITE_SERVERNAME: 'typo.org',
    })
    expect(config.global.server_name).toBe('example.com')
    expect(warnings).toEqual(['unknown environment variables: NEURITE_SERVERNAME'])
  })

  it('a secret can come from a file', () => {
    const path = join(newFolder(), 'secret')
    writeFileSync(path, 'from a file\n')
    const { config } = load(file(''), { NEURITE_CLIENT_API_REGISTRATION_SHARED_SECRET_FILE: path })
    expect(config.client_api.registration_shared_secret).toBe('from a file')
    writeFileSync(path, 'postgres://u:p@h/d')
    expect(load(file(''), { DATABASE_URL_FILE: path }).config.global.database.connection_string).toBe(
      'postgres://u:p@h/d',
    )
  })

  it('a secret file that is missing, empty or beside the variable itself is an error without the secret', () => {
    const path = join(newFolder(), 'empty')
    writeFileSync(path, '\n')
    const name = 'NEURITE_CLIENT_API_REGISTRATION_SHARED_SECRET'
    for (const env of [
      { [`${name}_FILE`]: path },
      { [`${name}_FILE`]: `${path}.not` },
      { [`${name}_FILE`]: path, [name]: 'hunter2' },
    ]) {
      const error = errorOf(() => load(file(''), env))
      expect(error.problems).toMatchObject([{ place: `environment variable ${name}_FILE` }])
      expect(error.message).not.toContain('hunter2')
    }
  })
})
