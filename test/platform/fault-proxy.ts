import { type AddressInfo, createServer, connect as netConnect, type Socket } from 'node:net'

/** A TCP proxy in front of PostgreSQL's socket that can do what networks do. */
export interface FaultProxy {
  readonly connectionString: string
  readonly connections: number
  /** Called with what the server sends; false swallows it and all that follows on that connection. */
  filterAnswers(keep: ((chunk: Buffer) => boolean) | undefined): void
  /** Called with what the client sends; false cuts the connection before the server gets it. */
  filterRequests(keep: ((chunk: Buffer) => boolean) | undefined): void
  /** Ends every connection, seen by both sides. */
  cutAll(): void
  /** From now on nothing passes on the connections there are, and nobody is told. */
  blackholeAll(): void
  close(): Promise<void>
}

interface Pair {
  readonly client: Socket
  readonly server: Socket
  dead: boolean
}

export async function startFaultProxy(connectionString: string): Promise<FaultProxy> {
  const target = new URL(connectionString.replace('@/', '@socket/'))
  const socketPath = `${target.searchParams.get('host')}/.s.PGSQL.${target.searchParams.get('port')}`
  const pairs = new Set<Pair>()
  let keepAnswers: ((chunk: Buffer) => boolean) | undefined
  let keepRequests: ((chunk: Buffer) => boolean) | undefined
  const listener = createServer((client) => {
    const pair: Pair = { client, server: netConnect(socketPath), dead: false }
    pairs.add(pair)
    const end = () => {
      pairs.delete(pair)
      pair.client.destroy()
      pair.server.destroy()
    }
    for (const socket of [pair.client, pair.server]) socket.on('error', () => undefined).on('close', end)
    client.on('data', (chunk) => {
      if (pair.dead) return
      if (keepRequests?.(chunk) === false) end()
      else pair.server.write(chunk)
    })
    pair.server.on('data', (chunk) => {
      if (pair.dead) return
      if (keepAnswers?.(chunk) === false) end()
      else client.write(chunk)
    })
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const { port } = listener.address() as AddressInfo
  const cutAll = () => {
    for (const { client, server } of [...pairs]) {
      client.destroy()
      server.destroy()
    }
  }
  return {
    connectionString: `postgresql://${target.username}@127.0.0.1:${port}${target.pathname}`,
    get connections() {
      return pairs.size
    },
    filterAnswers(keep) {
      keepAnswers = keep
    },
    filterRequests(keep) {
      keepRequests = keep
    },
    cutAll,
    blackholeAll() {
      for (const pair of pairs) pair.dead = true
    },
    async close() {
      cutAll()
      await new Promise((resolve) => listener.close(resolve))
    },
  }
}
