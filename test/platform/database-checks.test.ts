import { type AddressInfo, createServer, connect as netConnect, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, inject, it } from 'vitest'
import { openDatabase } from '../../src/platform/database.js'
import { checkEncoding, checkNoTransactionPooler } from '../../src/platform/database-checks.js'
import { createTestDatabase } from '../support/database.js'
import { adminQuery, uniqueName, withDatabase } from '../support/postgres.js'

async function check(properties: string): Promise<string | undefined> {
  const admin = inject('postgresUrl')
  const name = uniqueName('checked')
  await adminQuery(admin, `CREATE DATABASE ${name} TEMPLATE template0 STRATEGY FILE_COPY ${properties}`)
  const database = await openDatabase({ connectionString: withDatabase(admin, name) })
  try {
    return await checkEncoding(database)
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  } finally {
    await database.close()
    await adminQuery(admin, `DROP DATABASE ${name} WITH (FORCE)`)
  }
}

describe('a database from outside', () => {
  it('in UTF8 and locale C is accepted', async () => {
    expect(await check("ENCODING 'UTF8' LOCALE 'C'")).toBeUndefined()
  })

  it('in another encoding is refused, with the command that makes a right one', async () => {
    expect(await check("ENCODING 'LATIN1' LOCALE 'C'")).toMatch(/LATIN1.*CREATE DATABASE/)
  })

  it("that sorts by a language's rules is refused", async () => {
    expect(await check("ENCODING 'UTF8' LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'en'")).toMatch(/ICU, not C/)
  })
})

describe('a pooler', () => {
  let pooler: TransactionPooler | undefined
  afterEach(async () => {
    await pooler?.close()
    pooler = undefined
  })

  it('in transaction mode is refused with the hint to use the direct address', async () => {
    const test = await createTestDatabase()
    pooler = await startTransactionPooler(test.connectionString)
    await expect(checkNoTransactionPooler(pooler.connectionString)).rejects.toThrow(/transaction mode.*direct address/)
    await pooler.close()
    await test.close()
  })

  it('is not seen where there is none', async () => {
    const test = await createTestDatabase()
    await expect(checkNoTransactionPooler(test.connectionString)).resolves.toBeUndefined()
    await test.close()
  })
})

interface TransactionPooler {
  readonly connectionString: string
  close(): Promise<void>
}

/** What PgBouncer does with pool_mode=transaction, for simple queries: any session that is free serves the next one. */
async function startTransactionPooler(target: string): Promise<TransactionPooler> {
  const free: Session[] = []
  const sessions: Session[] = []
  const sockets = new Set<Socket>()
  const listener: Server = createServer((client) => {
    sockets.add(client)
    client.on('error', () => undefined)
    let started = false
    let session: Session | undefined
    client.on('data', (chunk) => {
      if (!started) {
        started = true
        client.write(Buffer.concat([message('R', int32(0)), message('Z', Buffer.from('I'))]))
        return
      }
      if (chunk[0] === 0x58) return client.end()
      session ??= free.pop() ?? openSession()
      session.ask(chunk, (answer, idle) => {
        client.write(answer)
        if (idle && session !== undefined) {
          free.push(session)
          session = undefined
        }
      })
    })
  })
  const openSession = (): Session => {
    const session = new Session(target)
    sessions.push(session)
    return session
  }
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const { port } = listener.address() as AddressInfo
  const database = target.replace(/.*:\/\/[^/]*\//, '').replace(/\?.*/, '')
  return {
    connectionString: `postgresql://neurite@127.0.0.1:${port}/${database}`,
    async close() {
      for (const session of sessions) session.end()
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => listener.close(resolve))
    },
  }
}

class Session {
  readonly #socket: Socket
  #pending: Buffer = Buffer.alloc(0)
  #ready = false
  #question: Buffer | undefined
  #onAnswer: (answer: Buffer, idle: boolean) => void = () => undefined

  constructor(target: string) {
    const url = new URL(target.replace('@/', '@socket/'))
    this.#socket = netConnect(`${url.searchParams.get('host')}/.s.PGSQL.${url.searchParams.get('port')}`)
    const parameters = `user\u0000${url.username}\u0000database\u0000${url.pathname.slice(1)}\u0000\u0000`
    const startup = Buffer.concat([int32(196_608), Buffer.from(parameters)])
    this.#socket.write(Buffer.concat([int32(startup.length + 4), startup]))
    this.#socket.on('error', () => undefined)
    this.#socket.on('data', (chunk) => this.#receive(chunk))
  }

  ask(question: Buffer, onAnswer: (answer: Buffer, idle: boolean) => void): void {
    this.#onAnswer = onAnswer
    if (this.#ready) this.#socket.write(question)
    else this.#question = question
  }

  end(): void {
    this.#socket.destroy()
  }

  /** Answers end with ReadyForQuery: 'Z', length 5, status. */
  #receive(chunk: Buffer): void {
    this.#pending = Buffer.concat([this.#pending, chunk])
    const end = this.#pending.subarray(-6)
    if (end[0] !== 0x5a || end.readUInt32BE(1) !== 5) return
    const answer = this.#pending
    this.#pending = Buffer.alloc(0)
    if (this.#ready) this.#onAnswer(answer, end[5] === 0x49)
    else if (this.#question !== undefined) this.#socket.write(this.#question)
    this.#ready = true
  }
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

function message(type: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body])
}
