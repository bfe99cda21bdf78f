import { databaseTarget } from '../config/database-target.js'
import type { Environment } from '../config/environment.js'
import type { Config } from '../config/schema.js'
import { type OpenDatabase, openDatabase } from '../platform/database.js'
import { checkEncoding, checkNoTransactionPooler, DatabaseRefused } from '../platform/database-checks.js'
import { DatabaseUnavailable } from '../platform/database-error.js'
import { type EmbeddedPostgres, EmbeddedPostgresRefused, startEmbeddedPostgres } from '../platform/embedded-postgres.js'
import { installationFacts, recordInstallationFact, tablesAmong } from '../platform/installation.js'
import {
  acquireInstanceLock,
  type InstanceLock,
  InstanceLockRefused,
  instanceApplicationName,
  type LockHolder,
  readHolder,
} from '../platform/instance-lock.js'
import type { Log } from '../platform/log.js'
import { MigrationRefused, migrate } from '../platform/migrate.js'
import { settleConnectionString } from '../platform/tls-negotiation.js'
import type { SigningKey } from '../protocol/signing.js'
import { CommandFailed } from './command.js'
import { keyIdOfFile, loadSigningKey } from './signing-key.js'

export interface InstallationOptions {
  readonly config: Config
  readonly env: Environment
  readonly log: Log
  /** Where commands reach this process; empty when it does not listen. */
  readonly address: string
  readonly ignoreDendriteData: boolean
  /** For a command that asks a running server instead of waiting for it to go. */
  readonly preferHolder?: boolean
  /** How long to wait for a running server to go; then DatabaseHeld is thrown. */
  readonly lockWaitMs?: number
  /** Told to stop: nothing further is begun, and what was begun is undone. */
  readonly signal?: AbortSignal
  readonly onLockLost: () => void
  /** The embedded PostgreSQL has ended by itself. */
  readonly onDatabaseGone: () => void
}

/** Another server is running on the database. */
export class DatabaseHeld extends CommandFailed {}

/** A database that is this process's to write, brought up to date, and the key that belongs to it. */
export interface Installation {
  readonly database: OpenDatabase
  readonly signingKey: SigningKey
  readonly lock: InstanceLock
  /** For people: where the data is. */
  readonly databaseDisplay: string
  readonly isNew: boolean
  readonly close: () => Promise<void>
}

/**
 * Database up, checked, locked, migrated; server name and key compared with what was recorded at the first start.
 * With `preferHolder` a running server is returned instead, untouched.
 * @throws CommandFailed whose text says what to do
 */
export async function openInstallation(options: InstallationOptions): Promise<Installation | LockHolder> {
  const { config, env } = options
  const target = databaseTarget(config, env)
  const closers: (() => Promise<void>)[] = []
  const close = async (): Promise<void> => {
    // One that fails (a lock whose database is gone) must not keep the others open.
    for (const closer of closers.splice(0).reverse()) {
      await closer().catch((error) => options.log.warn({ err: error }, 'closing failed'))
    }
  }
  try {
    const embedded = target.kind === 'embedded' ? await startEmbedded(target, options) : undefined
    if (embedded !== undefined) closers.push(() => embedded.stop())
    const connectionString = await settleConnectionString(
      embedded?.connectionString ?? (target.kind === 'url' ? target.connectionString : ''),
    )
    const applicationName = instanceApplicationName()
    const database = await openDatabase({
      connectionString,
      applicationName,
      maxConnections: target.maxConnections,
      maxLifetimeMs: target.maxLifetimeMs,
      onError: (error) => options.log.error({ err: error }, 'an action after a transaction failed'),
    })
    closers.push(() => database.close())
    options.signal?.throwIfAborted()
    const databaseDisplay = target.kind === 'embedded' ? `embedded PostgreSQL in ${target.dataDir}` : target.display
    const remark = await checkEncoding(database)
    if (remark !== undefined) options.log.warn(remark)
    if (target.kind === 'url') await checkNoTransactionPooler(connectionString)
    await refuseDendriteData(database, options.ignoreDendriteData)
    if (options.preferHolder && (await isMigrated(database))) {
      const holder = await readHolder(database)
      if (holder !== undefined) {
        await close()
        return holder
      }
    }
    const lock = await lockAndMigrate(options, database, applicationName)
    closers.push(() => lock.release())
    options.signal?.throwIfAborted()
    const { signingKey, isNew } = await identify(config, database)
    return { database, signingKey, lock, databaseDisplay, isNew, close }
  } catch (error) {
    await close()
    throw explain(error, config)
  }
}

async function startEmbedded(
  target: { readonly dataDir: string; readonly maxConnections: number },
  options: InstallationOptions,
): Promise<EmbeddedPostgres> {
  return startEmbeddedPostgres({
    directory: target.dataDir,
    // A few more than the pool: the lock, migrations and commands have connections of their own.
    maxConnections: target.maxConnections + 5,
    onExit: options.onDatabaseGone,
  })
}

async function isMigrated(database: OpenDatabase): Promise<boolean> {
  return (await tablesAmong(database, ['instance_lock'])).size > 0
}

/**
 * A running server must be gone before its schema changes under it, so the lock comes first; only a database that has no
 * lock table yet is migrated before.
 */
async function lockAndMigrate(
  options: InstallationOptions,
  database: OpenDatabase,
  applicationName: string,
): Promise<InstanceLock> {
  const { log, address, onLockLost, signal, lockWaitMs } = options
  const connectionString = database.connectionString
  if (!(await isMigrated(database))) await migrate({ connectionString })
  const waiting = {
    ...(signal === undefined ? {} : { signal }),
    ...(lockWaitMs === undefined ? {} : { waitMs: lockWaitMs }),
  }
  const lock = await acquireInstanceLock({ database, applicationName, address, onLost: onLockLost, log, ...waiting })
  try {
    const applied = await migrate({ connectionString })
    for (const migration of applied) log.info({ migration }, 'database schema brought up to date')
    return lock
  } catch (error) {
    await lock.release()
    throw error
  }
}

async function refuseDendriteData(database: OpenDatabase, ignore: boolean): Promise<void> {
  if (ignore) return
  const found = await tablesAmong(database, ['userapi_accounts', 'roomserver_events', 'installation'])
  if (found.has('installation') || found.size === 0) return
  throw new CommandFailed(
    "This database holds Dendrite's data (userapi_accounts, roomserver_events), which cannot be imported yet.\n" +
      'An empty server under a name that others know would break its rooms, so nothing was started.\n' +
      'Use another, empty database; or, when the old accounts and rooms are to be given up for ever, start with -ignore-dendrite-data.',
  )
}

/** The server's name and key are for ever: compared with the database's record, and recorded at the first start. */
async function identify(config: Config, database: OpenDatabase): Promise<{ signingKey: SigningKey; isNew: boolean }> {
  const name = config.global.server_name
  const facts = await installationFacts(database)
  const recordedName = facts.get('server_name')
  if (recordedName !== undefined && recordedName !== name) {
    throw new CommandFailed(
      `global.server_name is ${name}, but this database belongs to the server ${recordedName}. A server's name is for ever:\n` +
        `set global.server_name (or NEURITE_SERVER_NAME) to ${recordedName}, or ${waysToBeginAnew(config)}.`,
    )
  }
  const signingKey = loadSigningKey(config, recordedName === undefined)
  const recordedKey = facts.get('signing_key')
  const current = `${signingKey.keyId} ${signingKey.publicKey}`
  if (recordedKey === undefined) {
    await database.transaction(async (tx) => {
      await recordInstallationFact(tx, 'server_name', name)
      await recordInstallationFact(tx, 'signing_key', current)
    })
    return { signingKey, isNew: true }
  }
  if (recordedKey !== current) await acceptNewKey(config, database, recordedKey, current)
  return { signingKey, isNew: false }
}

function waysToBeginAnew({ global }: Config): string {
  if (global.database.connection_string !== '') return 'use an empty database for a new server'
  return `begin anew in another folder (NEURITE_DATA_DIR), or remove ${global.data_dir} when nothing in it is worth keeping`
}

/** A key may be changed on purpose: then the old one stands in `old_private_keys`. */
async function acceptNewKey(config: Config, database: OpenDatabase, recorded: string, current: string): Promise<void> {
  const [recordedId = ''] = recorded.split(' ')
  const retired = config.global.old_private_keys.some((old) => {
    if (old.key_id === recordedId) return true
    return old.private_key ? keyIdOfFile(old.private_key) === recordedId : false
  })
  if (!retired) {
    throw new CommandFailed(
      `global.private_key: ${config.global.private_key} holds the key ${current.split(' ')[0]}, but this database was signed with ${recordedId}.\n` +
        'Put the old key file back; or, when you change the key on purpose, list the old one in global.old_private_keys.',
    )
  }
  await recordInstallationFact(database, 'signing_key', current)
}

function explain(error: unknown, config: Config): unknown {
  if (error instanceof InstanceLockRefused) return new DatabaseHeld(error.message)
  if (error instanceof EmbeddedPostgresRefused || error instanceof DatabaseRefused || error instanceof MigrationRefused)
    return new CommandFailed(error.message)
  if (error instanceof DatabaseUnavailable) {
    const where = config.global.database.connection_string === '' ? 'The embedded PostgreSQL' : 'The database'
    return new CommandFailed(
      `${where} cannot be reached: ${error.message}\nCheck global.database.connection_string (or DATABASE_URL).`,
    )
  }
  if (error instanceof Error && 'code' in error && 'syscall' in error && 'path' in error) {
    return new CommandFailed(
      `${error.message}\nThe server keeps its files in global.data_dir (NEURITE_DATA_DIR), ${config.global.data_dir}, which must be its own to write.`,
    )
  }
  return error
}
