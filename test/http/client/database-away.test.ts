import { expect, it } from 'vitest'
import { adminQuery, withDatabase } from '../../support/postgres.js'
import { startTestServer } from '../../support/server.js'

it('without its database the server answers 503 where it needs it, goes on where it does not, and recovers alone', async () => {
  const server = await startTestServer()
  const user = await server.register('alice')
  expect(await user.get('/account/whoami')).toMatchObject({ status: 200 })
  await server.settle()
  const [current] = await adminQuery<{ name: string }>(server.connectionString, 'SELECT current_database() AS name')
  const name = current?.name ?? ''
  const admin = withDatabase(server.connectionString, 'postgres')
  await adminQuery(admin, `ALTER DATABASE ${name} WITH ALLOW_CONNECTIONS false`)
  await adminQuery(admin, 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name])

  const login = { type: 'm.login.password', user: 'alice', password: 'correct horse battery' }
  const refused = await server.request('POST', '/login', login)
  expect(refused).toMatchObject({ status: 503, body: { errcode: 'M_UNKNOWN' } })
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(JSON.stringify(refused.body)).not.toContain(name)
  expect(await server.request('GET', '/_matrix/client/versions')).toMatchObject({ status: 200 })
  expect(await server.request('GET', '/_dendrite/monitor/up')).toMatchObject({ status: 200 })
  expect(await server.request('GET', '/_dendrite/monitor/health')).toMatchObject({
    status: 503,
    body: { warnings: ['the database does not answer'] },
  })
  // Who is known stays known.
  expect(await user.get('/account/whoami')).toMatchObject({ status: 200 })

  await adminQuery(admin, `ALTER DATABASE ${name} WITH ALLOW_CONNECTIONS true`)
  expect(await server.request('POST', '/login', login)).toMatchObject({ status: 200 })
  await server.stop()
}, 30_000)
