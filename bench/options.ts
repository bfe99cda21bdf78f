import { parseArgs } from 'node:util'

export interface BenchOptions {
  readonly parts: readonly ('send' | 'sync')[]
  /** Base URL of the server to measure; undefined: one of our own is started. */
  readonly url: string | undefined
  /** Somebody's access token: then nobody is registered. */
  readonly token: string | undefined
  readonly sharedSecret: string | undefined
  /** The server's PostgreSQL, for the commits that sends are compared with. */
  readonly database: string | undefined
  /** The server's process on this machine, for its memory and CPU time. */
  readonly pid: number | undefined
  /** Of each measurement of sends and of commits. */
  readonly seconds: number
}

const USAGE = `Usage: npm run bench -- [send] [sync] [options]

Measures a homeserver over its public API. Without --url a server of our own is started (from dist, on an embedded
PostgreSQL in a temporary folder).

  --url URL              the server's base URL, such as http://localhost:8008
  --token TOKEN          use this account for everything; else accounts are registered, openly or with
  --shared-secret TEXT   registration_shared_secret of the server
  --database DSN         the server's PostgreSQL, to compare sends with plain INSERT commits
  --pid PID              the server's process on this machine, for its memory and CPU time
  --seconds N            how long each measurement of sends takes; there are three of each (2)

\`npm run bench -- room-writer\` measures the room server alone, without HTTP.
`

/** Undefined when usage was printed instead. */
export function readOptions(argv: readonly string[]): BenchOptions | undefined {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      url: { type: 'string' },
      token: { type: 'string' },
      'shared-secret': { type: 'string' },
      database: { type: 'string' },
      pid: { type: 'string' },
      seconds: { type: 'string' },
      help: { type: 'boolean' },
    },
  })
  const parts = positionals.filter((part) => part === 'send' || part === 'sync')
  const seconds = Number(values.seconds ?? '2')
  if (values.help === true || parts.length < positionals.length || !(seconds > 0)) {
    process.stdout.write(USAGE)
    return undefined
  }
  return {
    parts: parts.length === 0 ? ['send', 'sync'] : parts,
    url: values.url?.replace(/\/$/, ''),
    token: values.token,
    sharedSecret: values['shared-secret'],
    database: values.database,
    pid: values.pid === undefined ? undefined : Number(values.pid),
    seconds,
  }
}
