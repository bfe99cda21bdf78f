import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { createApp } from '../app.js'
import { loadConfig } from '../config/load.js'
import type { Config } from '../config/schema.js'
import type { LockHolder } from '../platform/instance-lock.js'
import { openLog } from '../platform/log.js'
import { MatrixError } from '../protocol/matrix-error.js'
import { type AccountOrder, manageAccount } from '../workflows/manage-account.js'
import { askServer, ServerUnreachable } from './ask-server.js'
import { CommandFailed, defineCommand, type Invocation } from './command.js'
import { booleanFlag, durationFlag, textFlag } from './flags.js'
import { DatabaseHeld, type Installation, openInstallation } from './installation.js'
import { passwordProblem, promptTwice, readAll } from './password-prompt.js'

/** For a server that holds the database without answering: how long in all, and until it is asked again. */
const PATIENCE_MS = 60_000
const RETRY_MS = 1_000

const FLAGS = {
  config: textFlag('The configuration `file`; dendrite.yaml in the working directory where it is not given.'),
  username: textFlag('The `name` of the account: the part between @ and the colon.'),
  password: textFlag('The `password`. Others on this machine can see it; better let the command ask.'),
  passwordfile: textFlag('A `file` with the password.'),
  passwordstdin: booleanFlag('Read the password from standard input.'),
  admin: booleanFlag('Make an administrator.'),
  'reset-password': booleanFlag('Give an account that exists a new password; its logins go on.'),
  url: textFlag(
    'Ask the server at this `address` with client_api.registration_shared_secret, instead of the database.',
  ),
  timeout: durationFlag('How long to wait for the server.', 30_000),
}

/**
 * Over the database when the configuration gives access to it, server running or not; no secret is needed then. With -url as
 * Dendrite's command of that name: by the shared secret over HTTP.
 */
export const createAccountCommand = defineCommand({
  name: 'create-account',
  summary: 'Makes an account, or gives one a new password. Needs no secret on the machine of the server itself.',
  flags: FLAGS,
  async execute(invocation) {
    const { values, cwd, env, stdout } = invocation
    if (values.username === '')
      throw new CommandFailed('-username is missing: the part of the user id between @ and the colon')
    const { config } = loadConfig({ file: values.config === '' ? undefined : values.config, env, cwd })
    const localpart = localpartIn(values.username, config.global.server_name)
    const password = await readPassword(invocation)
    const order: AccountOrder = { localpart, password, admin: values.admin, resetPassword: values['reset-password'] }
    const userId =
      values.url === ''
        ? await throughDatabase(config, order, invocation)
        : await throughSharedSecret(config, order, invocation)
    stdout.write(order.resetPassword ? `${userId} has a new password\n` : `${userId} is made\n`)
    return 0
  },
})

async function throughDatabase(
  config: Config,
  order: AccountOrder,
  invocation: Invocation<typeof FLAGS>,
): Promise<string> {
  const log = openLog([{ type: 'std', level: 'error' }])
  const leave = (): never => process.exit(1)
  const options = {
    config,
    env: invocation.env,
    log,
    address: '',
    ignoreDendriteData: false,
    onLockLost: leave,
    onDatabaseGone: leave,
  }
  const end = performance.now() + PATIENCE_MS
  for (let announced = false; ; announced = true) {
    const holder = await openInstallation({ ...options, preferHolder: true })
    if ('lock' in holder) return await byOurselves(config, order, holder)
    const answer = await throughHolder(holder, order, invocation.values.timeout)
    if (answer !== undefined) return answer
    // It has just died, and its lease runs out; or it has just started, and will soon listen.
    if (!announced) invocation.stderr.write('The server that holds the database does not answer yet; waiting ...\n')
    const own = await openInstallation({ ...options, lockWaitMs: RETRY_MS }).catch((error: unknown) => {
      if (error instanceof DatabaseHeld && performance.now() < end) return undefined
      throw error
    })
    if (own !== undefined && 'lock' in own) return await byOurselves(config, order, own)
  }
}

/** Undefined: nobody listens there. */
async function throughHolder(holder: LockHolder, order: AccountOrder, timeoutMs: number): Promise<string | undefined> {
  try {
    const answer = await askServer({
      url: `${holder.address}/_neurite/local/account`,
      timeoutMs,
      authorization: `Bearer ${holder.secret}`,
      body: {
        username: order.localpart,
        password: order.password,
        admin: order.admin,
        reset_password: order.resetPassword,
      },
    })
    return String(answer.user_id)
  } catch (error) {
    if (error instanceof ServerUnreachable) return undefined
    throw error
  }
}

async function byOurselves(config: Config, order: AccountOrder, installation: Installation): Promise<string> {
  const log = openLog([{ type: 'std', level: 'error' }])
  const { database, signingKey, lock } = installation
  const app = await createApp({ config, log, database, signingKey, commandSecret: lock.secret, cacheBytes: 8 << 20 })
  try {
    await app.start()
    return await manageAccount(app.components.userapi, order)
  } catch (error) {
    throw error instanceof MatrixError ? new CommandFailed(error.message) : error
  } finally {
    await app.stop()
    await installation.close()
  }
}

async function throughSharedSecret(
  config: Config,
  order: AccountOrder,
  { values }: Invocation<typeof FLAGS>,
): Promise<string> {
  const secret = config.client_api.registration_shared_secret
  if (order.resetPassword) throw new CommandFailed('-reset-password works on the machine of the server, without -url')
  if (secret === '') {
    throw new CommandFailed(
      '-url needs client_api.registration_shared_secret in the configuration; without -url no secret is needed',
    )
  }
  const url = `${values.url.replace(/\/$/, '')}/_synapse/admin/v1/register`
  const { nonce } = await askServer({ url, timeoutMs: values.timeout })
  const parts = [String(nonce), order.localpart, order.password, order.admin ? 'admin' : 'notadmin']
  const mac = createHmac('sha1', secret).update(parts.join('\0')).digest('hex')
  const body = { nonce, username: order.localpart, password: order.password, admin: order.admin, mac }
  const answer = await askServer({ url, timeoutMs: values.timeout, body })
  return String(answer.user_id)
}

async function readPassword(invocation: Invocation<typeof FLAGS>): Promise<string> {
  const { values } = invocation
  const sources = [values.password !== '', values.passwordfile !== '', values.passwordstdin].filter(Boolean).length
  if (sources > 1) throw new CommandFailed('give one of -password, -passwordfile and -passwordstdin')
  const password = await passwordFrom(invocation)
  const problem = passwordProblem(password)
  if (problem !== undefined) throw new CommandFailed(problem)
  return password
}

async function passwordFrom({ values, cwd, stdin, stderr }: Invocation<typeof FLAGS>): Promise<string> {
  if (values.password !== '') return values.password
  if (values.passwordfile !== '') return readPasswordFile(resolve(cwd, values.passwordfile))
  if (stdin === undefined) throw new CommandFailed('give -password, -passwordfile or -passwordstdin')
  return values.passwordstdin ? firstLine(await readAll(stdin)) : await promptTwice(stdin, stderr)
}

function readPasswordFile(path: string): string {
  try {
    return firstLine(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new CommandFailed(
      `-passwordfile: ${path} cannot be read (${error instanceof Error ? error.message : String(error)})`,
    )
  }
}

function firstLine(text: string): string {
  return text.split(/\r?\n/, 1)[0] ?? ''
}

/** Accepts the whole user id as well. */
function localpartIn(username: string, serverName: string): string {
  const domain = `:${serverName}`
  return username.startsWith('@') && username.endsWith(domain) ? username.slice(1, -domain.length) : username
}
