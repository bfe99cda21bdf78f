import { randomUUID } from 'node:crypto'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ChildServer, type CommandResult, runProgram, startChildServer } from '../support/child-server.js'
import { createTestDatabase } from '../support/database.js'
import { adminQuery } from '../support/postgres.js'

const PASSWORD = 'a password of somebody'

describe('the program', () => {
  it('-version, --help and an unknown command', async () => {
    const [version, help, wrong] = await Promise.all([
      runProgram(['-version']),
      runProgram(['--help']),
      runProgram(['dance']),
    ])
    expect(version).toMatchObject({ code: 0, stderr: '' })
    expect(version.stdout).toMatch(/^Neurite \d+\.\d+\.\d+\n$/)
    expect(help).toMatchObject({ code: 0, stderr: '' })
    for (const name of ['serve', 'create-account', 'generate-keys', 'generate-config', 'check-config']) {
      expect(help.stdout).toContain(`\n  ${name} `)
    }
    expect(wrong.code).toBe(2)
    expect(wrong.stderr).toContain('there is no command dance')
  })

  it('refuses registration that stands open to everybody, with the way out', async () => {
    const server = await startChildServer({ flags: [], start: false })
    try {
      await expect(server.start()).rejects.toThrow('-really-enable-open-registration')
      expect((await server.exited()).code).toBe(1)
    } finally {
      await server.remove()
    }
  })

  it('refuses a database that holds data of Dendrite, and starts on it only when told to', async () => {
    const database = await createTestDatabase({ migrated: false })
    for (const table of ['userapi_accounts', 'roomserver_events']) {
      await adminQuery(database.connectionString, `CREATE TABLE ${table} (id bigint PRIMARY KEY)`)
    }
    const refused = await startChildServer({ database: database.connectionString, start: false })
    const insisting = await startChildServer({
      database: database.connectionString,
      flags: ['-really-enable-open-registration', '-ignore-dendrite-data'],
      start: false,
    })
    try {
      await expect(refused.start()).rejects.toThrow("This database holds Dendrite's data")
      expect((await refused.exited()).code).toBe(1)
      await insisting.start()
      await insisting.register('alice')
    } finally {
      await refused.remove()
      await insisting.remove()
      await database.close()
    }
  }, 20_000)
})

describe('create-account', () => {
  let server: ChildServer
  beforeAll(async () => {
    server = await startChildServer()
  })
  afterAll(() => server.remove())

  it('makes accounts through the running server, and resets a password without ending its logins', async () => {
    const made = await createAccount('anna', ['-passwordstdin'], `${PASSWORD}\n`)
    expect(made).toMatchObject({ code: 0, stdout: '@anna:child.example is made\n' })
    const anna = await server.login('anna', PASSWORD)

    expect(await createAccount('anna', ['-password', PASSWORD])).toMatchObject({ code: 1 })
    const reset = await createAccount('anna', ['-reset-password', '-password', 'another password'])
    expect(reset).toMatchObject({ code: 0, stdout: '@anna:child.example has a new password\n' })
    await expect(server.login('anna', PASSWORD)).rejects.toThrow('M_FORBIDDEN')
    await server.login('anna', 'another password')
    expect((await anna.get('/account/whoami')).status).toBe(200)
  })

  it('makes accounts over HTTP by the shared secret', async () => {
    const made = await createAccount('berta', ['-password', PASSWORD, '-url', server.url])
    expect(made).toMatchObject({ code: 0, stdout: '@berta:child.example is made\n' })
    await server.login('berta', PASSWORD)
  })

  it('refuses what no account can have, and says so', async () => {
    const [short, name, nobody] = await Promise.all([
      createAccount('carla', ['-password', 'short']),
      createAccount('Not A Name', ['-password', PASSWORD]),
      createAccount('nobody', ['-reset-password', '-password', PASSWORD]),
    ])
    for (const result of [short, name, nobody]) {
      expect(result).toMatchObject({ code: 1, stdout: '' })
      expect(result.stderr).not.toContain('    at ')
    }
    expect(short.stderr).toContain('too short')
  })

  it('works without a server too, and the password never stands in what is printed', async () => {
    await server.kill('SIGTERM')
    const made = await createAccount('dora', ['-admin', '-passwordstdin'], PASSWORD)
    expect(made).toMatchObject({ code: 0, stdout: '@dora:child.example is made\n' })
    expect(made.stderr + server.output).not.toContain(PASSWORD)
    await server.start()
    await server.login('dora', PASSWORD)
  })

  it('takes the lock of a server that was killed', async () => {
    await server.kill('SIGKILL')
    expect(await createAccount('emma', ['-password', PASSWORD])).toMatchObject({ code: 0 })
    await server.start()
    await server.login('emma', PASSWORD)
  }, 20_000)

  function createAccount(name: string, flags: readonly string[], input = ''): Promise<CommandResult> {
    return server.command('create-account', ['-username', name, ...flags], input)
  }
})

describe('what a server is called and signs with (F60)', () => {
  let server: ChildServer
  beforeAll(async () => {
    server = await startChildServer()
    await server.kill('SIGTERM')
  })
  afterAll(() => server.remove())

  it('another name on the same database is refused with the fix', async () => {
    const { code, stderr } = await runProgram(
      ['serve', '-config', server.configFile, '-really-enable-open-registration'],
      { env: { NEURITE_SERVER_NAME: 'other.example' } },
    )
    expect(code).toBe(1)
    expect(stderr).toContain("A server's name is for ever")
    expect(stderr).toContain('child.example')
  })

  it('a missing key and another key are refused; the right one starts again', async () => {
    const key = join(server.folder, 'data/matrix_key.pem')
    const kept = `${key}.kept`
    await rename(key, kept)
    await expect(server.start()).rejects.toThrow('Put the key file back from your backup')
    expect(await runProgram(['generate-keys', '-private-key', key])).toMatchObject({ code: 0 })
    await expect(server.start()).rejects.toThrow('Put the old key file back')
    await rename(kept, key)
    await server.start()
    await server.kill('SIGTERM')
  }, 20_000)
})

describe('configuration errors (F60)', () => {
  it('all of them at once with file and line, exit code 1, and nothing is started', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'neurite-child-'))
    const file = join(folder, 'neurite.yaml')
    const secret = randomUUID()
    await writeFile(
      file,
      `version: 2\nglobal:\n  server_name: "not a name"\n  database:\n    connection_string: postgresql://u:${secret}@h:99999/d\nclient_api:\n  registration_disabled: perhaps\n`,
    )
    try {
      const { code, stderr } = await runProgram(['serve', '-config', file])
      expect(code).toBe(1)
      for (const line of [3, 5, 7]) expect(stderr).toContain(`neurite.yaml:${line}`)
      expect(stderr).not.toContain(secret)
      expect(stderr).not.toContain('    at ')
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
