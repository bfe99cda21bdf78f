import { type App, createApp } from '../app.js'
import { loadConfig } from '../config/load.js'
import { cacheBudget, readMemoryLimit } from '../config/memory.js'
import type { Config } from '../config/schema.js'
import { type Log, type LogOutput, type OpenLog, openLog } from '../platform/log.js'
import { CommandFailed, defineCommand, type Output } from './command.js'
import { booleanFlag, textFlag } from './flags.js'
import { type Installation, openInstallation } from './installation.js'
import { type Listeners, parseListeners } from './listeners.js'
import { surroundingsOf } from './surroundings.js'
import { VERSION } from './version.js'
import { letYoungHeapGrow } from './young-heap.js'

/** Time for the whole shutdown; then what is left is abandoned and the process ends anyway. */
const SHUTDOWN_MS = 4_900

export const serveCommand = defineCommand({
  name: 'serve',
  summary: 'Runs the homeserver until it is told to stop (SIGINT, SIGTERM).',
  flags: {
    config: textFlag('The configuration `file`; dendrite.yaml in the working directory where it is not given.'),
    'http-bind-address': textFlag('The `address` for plain HTTP.', ':8008'),
    'https-bind-address': textFlag('The `address` for HTTPS, used when -tls-cert and -tls-key are given.', ':8448'),
    'tls-cert': textFlag('The certificate `file` (PEM).'),
    'tls-key': textFlag('Its private key `file` (PEM).'),
    'unix-socket': textFlag('Listen on this `path` instead of TCP.'),
    'unix-socket-permission': textFlag('The permissions of that socket, `octal`.', '755'),
    'really-enable-open-registration': booleanFlag(
      'Start although everybody may make accounts. Such servers are found and abused within days.',
    ),
    'ignore-dendrite-data': booleanFlag('Start although the database holds data of Dendrite, which is not imported.'),
    version: booleanFlag('Print the version and exit.'),
  },
  async execute({ values, given, cwd, env, stdout, stderr }) {
    if (values.version) {
      stdout.write(`Neurite ${VERSION}\n`)
      return 0
    }
    const listeners = parseListeners(values, given, env, cwd)
    const loaded = loadConfig({
      file: values.config === '' ? undefined : values.config,
      env,
      cwd,
      listeners: listeners.tcp.map(({ text }) => text),
    })
    const { config } = loaded
    refuseOpenRegistration(config, values['really-enable-open-registration'])
    const outputs = logOutputs(config)
    const log = openLog(outputs)
    const remarks = [...loaded.warnings, ...loaded.notices]
    for (const line of remarks) log.warn(line)
    tellTerminal(stderr, outputs, remarks, log)
    const cache = cacheBudget(config, readMemoryLimit())
    if (cache.warning !== undefined) log.warn(cache.warning)
    log.warn('this version does not join rooms of other servers yet')

    const stopped = stopSignals(log)
    const installation = await openInstallation({
      signal: stopped.signal,
      config,
      env,
      log,
      address: listeners.commandAddress,
      ignoreDendriteData: values['ignore-dendrite-data'],
      onLockLost: () => stopped.now('another server has taken over the database', 1),
      onDatabaseGone: () => stopped.now('the embedded PostgreSQL has ended by itself', 1),
    }).catch((error: unknown) => {
      if (stopped.signal.aborted) return undefined
      throw error
    })
    if (installation === undefined) return await stoppedEarly(stopped, log)
    if (!('lock' in installation)) throw new CommandFailed('another server runs on this database')
    let app: App | undefined
    try {
      app = await createApp({
        config,
        log,
        database: installation.database,
        signingKey: installation.signingKey,
        commandSecret: installation.lock.secret,
        cacheBytes: cache.bytes,
        version: VERSION,
        surroundings: surroundingsOf(env),
      })
      await app.start()
      if (!stopped.signal.aborted) await app.listen(listeners.all)
    } catch (error) {
      await app?.stop()
      await installation.close()
      throw listenFailure(error) ?? error
    }
    if (stopped.signal.aborted) return await runUntilStopped(app, installation, stopped, log)
    letYoungHeapGrow()
    greet(stderr, config, listeners, installation, loaded.file)
    return await runUntilStopped(app, installation, stopped, log)
  },
})

async function runUntilStopped(app: App, installation: Installation, stopped: Stopping, log: Log): Promise<number> {
  const { reason, code } = await stopped.asked
  log.info({ reason }, 'stopping')
  await app.stop()
  await installation.close()
  log.info('stopped')
  return code
}

/** Nothing is open any more; the process ends by itself. */
async function stoppedEarly(stopped: Stopping, log: Log): Promise<number> {
  const { reason, code } = await stopped.asked
  log.info({ reason }, 'stopped while starting')
  return code
}

/** In the words of the flags; undefined when the failure is not one of listening. */
function listenFailure(error: unknown): CommandFailed | undefined {
  if (!(error instanceof Error && 'code' in error && 'syscall' in error)) return undefined
  if (error.code === 'EADDRINUSE')
    return new CommandFailed(
      `${error.message}\nAnother program listens there: stop it, or choose another address (-http-bind-address, -https-bind-address, -unix-socket).`,
    )
  if (!['listen', 'bind', 'getaddrinfo'].includes(String(error.syscall))) return undefined
  return new CommandFailed(
    `${error.message}\nCheck -http-bind-address, -https-bind-address or -unix-socket: this machine or this user cannot listen there.`,
  )
}

interface Stopping {
  readonly asked: Promise<{ reason: string; code: number }>
  /** Aborted as soon as it is asked. */
  readonly signal: AbortSignal
  now(reason: string, code: number): void
}

/**
 * `npm start` hands Ctrl-C on although the terminal has told the server already: signals of one moment are one, and only a
 * later one means that somebody has lost patience.
 */
const SAME_SIGNAL_MS = 500

/** The first signal stops in order, whatever the server is at; a later one at once. */
function stopSignals(log: Log): Stopping {
  let tell: (value: { reason: string; code: number }) => void = () => undefined
  const asked = new Promise<{ reason: string; code: number }>((resolve) => {
    tell = resolve
  })
  const aborting = new AbortController()
  const ask = (reason: string, code: number): void => {
    if (aborting.signal.aborted) return
    setTimeout(() => process.exit(code), SHUTDOWN_MS).unref()
    tell({ reason, code })
    aborting.abort()
  }
  let askedAt: number | undefined
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      const now = performance.now()
      askedAt ??= now
      if (now - askedAt > SAME_SIGNAL_MS) process.exit(1)
      ask(signal, 0)
    })
  }
  // A defect in one place must not take the server down without a word; what is in the database stays whole.
  process.on('unhandledRejection', (error) => log.error({ err: error }, 'a rejected promise that nobody handled'))
  return { asked, signal: aborting.signal, now: ask }
}

function refuseOpenRegistration(config: Config, really: boolean): void {
  if (config.client_api.registration_disabled || really) return
  throw new CommandFailed(
    'client_api.registration_disabled is false and nothing stands in front of registration: anybody, and any robot, could make\n' +
      'accounts here and abuse other servers with them. Set registration_disabled to true (create-account still works), or\n' +
      'start with -really-enable-open-registration if this is what you want.',
  )
}

function logOutputs(config: Config): LogOutput[] {
  return config.logging.flatMap((entry): LogOutput[] => {
    const { level } = entry
    if (entry.type === 'std') return [{ type: 'std', level }]
    if (entry.type === 'file') return [{ type: 'file', level, path: logFile(entry.params.path) }]
    return []
  })
}

/** Whoever starts it sees the remarks also where the log goes to files only, and that a file cannot be written. */
function tellTerminal(stderr: Output, outputs: readonly LogOutput[], remarks: readonly string[], log: OpenLog): void {
  const inFilesOnly = outputs.length > 0 && outputs.every(({ type }) => type === 'file')
  if (inFilesOnly) for (const line of remarks) stderr.write(`${line}\n`)
  for (const failure of log.failures()) {
    stderr.write(`logging: ${failure}: lines are lost until the server may write there (logging[].params.path)\n`)
  }
}

/** Dendrite is given a folder, and names the file itself. */
function logFile(folder: string): string {
  return folder.endsWith('.log') ? folder : `${folder}/neurite.log`
}

/** Five lines for whoever started it; to stderr, so that they are seen when the log goes to a file. */
function greet(
  stderr: Output,
  config: Config,
  listeners: Listeners,
  installation: Installation,
  file: string | undefined,
): void {
  const name = config.global.server_name
  const where = listeners.all.map((listener) => listener.display).join(' and ')
  const cli = process.argv[1]?.endsWith('main.js') ? `node ${process.argv[1]} ` : ''
  const withConfig = file === undefined ? '' : ` -config ${file}`
  stderr.write(
    [
      `Neurite ${VERSION} is ready: the server of ${name}${installation.isNew ? ' (new; this name is for ever)' : ''}`,
      `listening on   ${where}`,
      `database       ${installation.databaseDisplay}`,
      `signing key    ${config.global.private_key} (${installation.signingKey.keyId}): keep a copy`,
      installation.isNew
        ? `what next      ${cli}create-account${withConfig} -username NAME -admin   then sign in at ${listeners.clientAddress}`
        : `what next      point a client at ${listeners.clientAddress}; accounts: ${cli}create-account${withConfig}`,
      '',
    ].join('\n'),
  )
}
