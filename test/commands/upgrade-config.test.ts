import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { upgradeConfigCommand } from '../../src/commands/upgrade-config.js'
import { databaseTarget } from '../../src/config/database-target.js'
import { type LoadedConfig, loadConfig } from '../../src/config/load.js'
import { fixture, newFolder, type Ran, run } from '../config/support.js'

async function upgrade(yaml: string, ...argv: string[]): Promise<Ran & { loaded: LoadedConfig }> {
  const cwd = newFolder()
  writeFileSync(join(cwd, 'old.yaml'), yaml)
  const ran = await run(upgradeConfigCommand, [...argv, 'old.yaml'], cwd)
  expect(ran.code).toBe(0)
  writeFileSync(join(cwd, 'new.yaml'), ran.stdout)
  return { ...ran, loaded: loadConfig({ file: 'new.yaml', env: {}, cwd }) }
}

const sample = readFileSync(fixture('dendrite-v1.yaml'), 'utf8')

describe('upgrade-config', () => {
  it('converts the version 1 sample into a file that loads', async () => {
    const { config } = (await upgrade(sample)).loaded
    expect(config.global.private_key).toBe('/etc/dendrite/matrix_key.pem')
    expect(config.global.dns_cache.cache_lifetime).toBe(300_000)
    expect(config.federation_api).toMatchObject({
      send_max_retries: 16,
      key_perspectives: [{ server_name: 'matrix.org' }],
    })
    expect(config.media_api).toMatchObject({ base_path: '/data/media' })
    expect(config.media_api.thumbnail_sizes).toHaveLength(3)
    expect(config.logging[0]).toMatchObject({ type: 'file', params: { path: '/var/log/dendrite' } })
    expect(databaseTarget(config, {}).kind).toBe('embedded')
  })

  it('says in comments what changed, and reports what has no successor', async () => {
    const { stdout, stderr } = await upgrade(sample)
    expect(stdout).toMatch(/# CHANGED: was federation_sender.send_max_retries\n {2}send_max_retries: 16/)
    expect(stdout).toMatch(/# CHANGED: was signing_key_server.key_perspectives\n {2}key_perspectives:/)
    for (const lost of ['Naffka', 'SQLite', 'listen addresses', 'edu_server.internal_api', 'registration_disabled']) {
      expect(stderr).toContain(lost)
    }
  })

  it('closes open registration, which would not start without a flag', async () => {
    expect((await upgrade(sample)).loaded.config.client_api.registration_disabled).toBe(true)
    const closed = sample.replace('registration_disabled: false', 'registration_disabled: true')
    expect((await upgrade(closed)).stdout).not.toMatch(/CHANGED.*registration/)
  })

  it('asks for a server name instead of the placeholder, or takes -server', async () => {
    const { loaded, stderr } = await upgrade(sample)
    expect(loaded.config.global.server_name).toBe('localhost')
    expect(stderr).toContain('"<my-matrix.domain>" is not a server name')
    expect((await upgrade(sample, '-server', 'example.com')).loaded.config.global.server_name).toBe('example.com')
    const named = sample.replace('<my-matrix.domain>', 'mine.org')
    expect((await upgrade(named)).loaded.config.global.server_name).toBe('mine.org')
  })

  it('takes the PostgreSQL of the room server and names the others without passwords', async () => {
    let count = 0
    const postgres = sample.replaceAll('file:///data/dendrite.db', () => `postgres://u:hunter2@h/d${count++}`)
    const { loaded, stderr } = await upgrade(postgres)
    expect(loaded.config.global.database.connection_string).toMatch(/^postgres:\/\/u:hunter2@h\/d\d+$/)
    expect(loaded.config.global.database.max_open_conns).toBe(90)
    expect(stderr).toContain('postgres://u:***@h/d')
    expect(stderr).not.toContain('hunter2')
  })

  it('leaves an outbound proxy off that names a port of a homeserver', async () => {
    const looping = sample.replace(
      'enabled: false\n    protocol: http\n    host: localhost\n    port: 8080',
      'enabled: true\n    protocol: http\n    host: localhost\n    port: 8008',
    )
    const { loaded, stderr } = await upgrade(looping)
    expect(loaded.config.federation_api.proxy_outbound.enabled).toBe(false)
    expect(stderr).toContain('proxy_outbound')
  })

  it('refuses what is not of version 1, and values that are wrong', async () => {
    const cwd = newFolder()
    const current = await run(upgradeConfigCommand, [fixture('dendrite-v2.yaml')], cwd)
    expect(current).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('needs no conversion') })
    expect((await run(upgradeConfigCommand, [], cwd)).code).toBe(1)
    expect((await run(upgradeConfigCommand, ['missing.yaml'], cwd)).stderr).toContain('no such file')
    writeFileSync(join(cwd, 'old.yaml'), sample.replace('168h0m0s', 'soon'))
    const wrong = await run(upgradeConfigCommand, ['old.yaml'], cwd)
    expect(wrong).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('global.key_validity_period') })
  })
})
