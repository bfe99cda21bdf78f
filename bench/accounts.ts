import { createHmac, randomBytes } from 'node:crypto'
import { ask, type Client, mapConcurrently } from './client.js'
import type { BenchOptions } from './options.js'

export interface Account {
  readonly userId: string
  readonly token: string
}

/** So many people, or one and the same when a token was given. */
export async function accounts(client: Client, options: BenchOptions, count: number): Promise<Account[]> {
  const { token } = options
  if (token !== undefined) {
    const { user_id } = await ask(client, 'GET', '/account/whoami', token)
    return new Array<Account>(count).fill({ userId: String(user_id), token })
  }
  const run = randomBytes(4).toString('hex')
  const names = Array.from({ length: count }, (_, index) => `bench-${run}-${index}`)
  return mapConcurrently(names, 4, (name) => register(client, name, options.sharedSecret))
}

async function register(client: Client, username: string, secret: string | undefined): Promise<Account> {
  const password = randomBytes(16).toString('hex')
  const answer =
    secret === undefined
      ? await ask(client, 'POST', '/register', undefined, { username, password, auth: { type: 'm.login.dummy' } })
      : await registerWithSecret(client, username, password, secret)
  return { userId: String(answer.user_id), token: String(answer.access_token) }
}

async function registerWithSecret(
  client: Client,
  username: string,
  password: string,
  secret: string,
): Promise<Record<string, unknown>> {
  const path = '/_synapse/admin/v1/register'
  const { nonce } = await ask(client, 'GET', path)
  const mac = createHmac('sha1', secret)
    .update([String(nonce), username, password, 'notadmin'].join('\0'))
    .digest('hex')
  return ask(client, 'POST', path, undefined, { nonce, username, password, admin: false, mac })
}

export async function createRoom(client: Client, creator: Account, name: string): Promise<string> {
  const { room_id } = await ask(client, 'POST', '/createRoom', creator.token, { preset: 'public_chat', name })
  return String(room_id)
}
