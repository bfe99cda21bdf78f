import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, rm, stat, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ChildServer, type CommandResult, MAIN, runProgram, startChildServer } from '../support/child-server.js'
import { adminQuery } from '../support/postgres.js'

const ROOT = join(import.meta.dirname, '../..')
const OPEN = '-really-enable-open-registration'

describe('a server that is told to stop', () => {
  let first: ChildServer
  beforeAll(async () => {
    first = await startChildServer()
  })
  afterAll(() => first.remove())

  it('while it waits for another one to leave the database, stops at once and leaves the other alone', async () => {
    const second = await startChildServer({ database: String(first.connectionString), start: false })
    await mkdir(join(second.folder, 'data'))
    try {
      second.launch()
      await outputOf(second, 'waiting for it to go')
      const { code, ms } = await second.kill('SIGTERM')
      expect(code).toBe(0)
      expect(ms).toBeLessThan(3_000)
      expect((await first.request('GET', '/versions')).status).toBeLessThan(500)
    } finally {
      await second.remove()
    }
  }, 20_000)

  it('at any moment of a first start ends in time with code 0, and the next start works', async () => {
    const server = await startChildServer({ database: 'embedded', start: false })
    try {
      // The log of initdb, then the finished cluster, then the running PostgreSQL.
      for (const sign of ['postgres.log', 'postgres/PG_VERSION', 'postgres/postmaster.pid']) {
        await rm(join(server.folder, 'data'), { recursive: true, force: true })
        server.launch()
        while (!existsSync(join(server.folder, 'data', sign))) await pause(5)
        const { code, ms } = await server.kill('SIGTERM')
        expect(code).toBe(0)
        expect(ms).toBeLessThan(6_000)
      }
      await server.start()
      await server.register('alice')
    } finally {
      await server.remove()
    }
  }, 40_000)
})

describe('create-account', () => {
  it('waits for a server that holds the database and does not listen yet', async () => {
    const server = await startChildServer()
    try {
      await adminQuery(
        String(server.connectionString),
        "UPDATE platform.instance_lock SET address = 'http://127.0.0.1:1'",
      )
      const args = [
        MAIN,
        'create-account',
        '-config',
        server.configFile,
        '-username',
        'anna',
        '-password',
        'a password',
      ]
      const command = spawn(process.execPath, args, { env: {}, stdio: ['ignore', 'pipe', 'pipe'] })
      const made = once(command.stdout, 'data')
      const [remark] = await once(command.stderr, 'data')
      expect(String(remark)).toContain('does not answer yet')
      await adminQuery(String(server.connectionString), `UPDATE platform.instance_lock SET address = '${server.url}'`)
      expect(String(await made)).toContain('@anna:child.example is made')
      await server.login('anna', 'a password')
    } finally {
      await server.remove()
    }
  }, 20_000)
})

describe('npm start', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'hands %s on, and nothing is left behind',
    async (signal) => {
      const server = await startChildServer({ start: false })
      const url = new URL(server.url)
      const args = ['start', '--silent', '--ignore-scripts', '--', '-config', server.configFile, OPEN]
      const npm = spawn('npm', [...args, '-http-bind-address', url.host], {
        cwd: ROOT,
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      try {
        await new Promise<void>((resolve) => {
          npm.stderr.setEncoding('utf8').on('data', (text: string) => {
            if (text.includes('is ready')) resolve()
          })
        })
        const ended = new Promise((resolve) => npm.once('close', resolve))
        npm.kill(signal)
        await ended
        await expect(fetch(server.url)).rejects.toThrow()
        // The lock is free: it has stopped in order.
        expect(await server.start()).toBeLessThan(6_000)
      } finally {
        npm.kill('SIGKILL')
        await server.remove()
      }
    },
    30_000,
  )
})

describe('where a server listens', () => {
  let server: ChildServer
  beforeAll(async () => {
    server = await startChildServer({ start: false })
  })
  afterAll(() => server.remove())

  it('-unix-socket with -unix-socket-permission: the socket has it, and create-account finds the server there', async () => {
    const path = join(server.folder, 'neurite.sock')
    server.launch(['-config', server.configFile, OPEN, '-unix-socket', path, '-unix-socket-permission', '770'])
    await outputOf(server, 'is ready')
    expect((await stat(path)).mode & 0o777).toBe(0o770)
    expect(await statusOver(path, '/_matrix/client/versions')).toBe(200)
    const made = await server.command('create-account', ['-username', 'anna', '-password', 'a password'])
    expect(made).toMatchObject({ code: 0, stdout: '@anna:child.example is made\n' })
    expect((await server.kill('SIGTERM')).code).toBe(0)
  }, 20_000)

  it('an address that cannot be listened on is one clear message, and nothing stays behind', async () => {
    for (const [flags, named] of [
      [['-http-bind-address', '192.0.2.1:8008'], 'EADDRNOTAVAIL'],
      [['-unix-socket', join(server.folder, 'no/such/folder/socket')], '-unix-socket'],
    ] as const) {
      const { code, stderr } = await runProgram(['serve', '-config', server.configFile, OPEN, ...flags])
      expect(code).toBe(1)
      expect(stderr).toContain(named)
      expect(stderr).toContain('-http-bind-address')
      expect(stderr).not.toContain('    at ')
    }
  }, 20_000)

  it('a certificate that is none is refused before anything is started', async () => {
    const file = join(server.folder, 'not-a.crt')
    await writeFile(file, 'not a certificate\n')
    const tls = ['-tls-cert', file, '-tls-key', file]
    const { code, stderr } = await runProgram(['serve', '-config', server.configFile, OPEN, ...tls])
    expect(code).toBe(1)
    expect(stderr).toMatch(/^-tls-cert and -tls-key: .*not-a\.crt/m)
    expect(stderr).not.toContain('    at ')
  })
})

// Below a file there can be no folder, whoever tries: tests may run as root, whom permissions do not stop.
describe('files that cannot be written (F60)', () => {
  let server: ChildServer
  beforeAll(async () => {
    server = await startChildServer({ start: false })
  })
  afterAll(() => server.remove())

  it('a key that cannot be made is one clear message', async () => {
    const key = join(server.configFile, 'matrix_key.pem')
    const { code, stderr } = await serve({ NEURITE_GLOBAL_PRIVATE_KEY: key })
    expect(code).toBe(1)
    expect(stderr).toContain(`global.private_key: ${key} does not exist, and no new key can be put there`)
    expect(stderr).not.toContain('    at ')
  }, 20_000)

  it('a data folder that cannot be made is one clear message', async () => {
    const folder = join(server.configFile, 'data')
    const config = join(server.folder, 'embedded.yaml')
    await writeFile(config, 'version: 2\nglobal:\n  server_name: child.example\n')
    const { code, stderr } = await serve({ NEURITE_DATA_DIR: folder }, config)
    expect(code).toBe(1)
    expect(stderr).toContain(`global.data_dir (NEURITE_DATA_DIR), ${folder}`)
    expect(stderr).not.toContain('    at ')
  })

  function serve(env: Readonly<Record<string, string>>, config = server.configFile): Promise<CommandResult> {
    return runProgram(['serve', '-config', config, OPEN], { env })
  }

  it('a log folder that cannot be made is said at the terminal, and the server runs', async () => {
    const file = join(server.folder, 'logging.yaml')
    const text = `version: 2
global:
  server_name: child.example
  data_dir: ${join(server.folder, 'data')}
  database: {connection_string: '${server.connectionString}'}
  jetstream: {addresses: [nats://localhost]}
logging:
  - {type: file, level: warn, params: {path: '${server.configFile}/logs'}}
`
    await writeFile(file, text)
    server.launch(['-config', file, '-http-bind-address', new URL(server.url).host, OPEN])
    await outputOf(server, 'is ready')
    expect(server.output).toContain(`${server.configFile}/logs`)
    // Where the log goes to files only, the warnings are seen at the terminal too.
    expect(server.output).toContain('global.jetstream')
    expect((await server.kill('SIGTERM')).code).toBe(0)
  }, 20_000)
})

async function outputOf(server: ChildServer, text: string): Promise<void> {
  const end = performance.now() + 15_000
  while (!server.output.includes(text)) {
    if (!server.isRunning || performance.now() > end) throw new Error(`no "${text}" in:\n${server.output}`)
    await pause(10)
  }
}

function statusOver(socketPath: string, path: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, path }, (incoming) => {
      incoming.resume().once('end', () => resolve(incoming.statusCode))
    })
    outgoing.once('error', reject)
    outgoing.end()
  })
}
