import { createHmac } from 'node:crypto'
import { expect, it } from 'vitest'
import { defaultConfig } from '../../../src/config/load.js'
import { sharedSecretRegistrationRoutes } from '../../../src/http/admin/shared-secret-registration.js'
import { FakeClock } from '../../../src/platform/time.js'
import { startTestHttp } from '../../support/http.js'
import { createTestUserApi } from '../../support/userapi.js'

it('a nonce is good for a minute, whatever somebody does to the clock of the machine (F36)', async () => {
  const time = new FakeClock()
  const t = await createTestUserApi({ time })
  const base = defaultConfig()
  const config = { ...base, client_api: { ...base.client_api, registration_shared_secret: 's' } }
  const test = await startTestHttp(sharedSecretRegistrationRoutes({ config, userapi: t.userapi, time }))
  const path = '/_synapse/admin/v1/register'
  const attempt = async (username: string, meanwhile: () => void) => {
    const { nonce } = (await test.client.get(path)).body
    meanwhile()
    const password = 'long enough'
    const mac = createHmac('sha1', 's').update([nonce, username, password, 'notadmin'].join('\0')).digest('hex')
    return test.client.post(path, { nonce, username, password, mac })
  }
  expect(await attempt('quick', () => time.advance(59_000))).toMatchObject({ status: 200 })
  expect(await attempt('jumped', () => time.jump(3_600_000))).toMatchObject({ status: 200 })
  expect(await attempt('slow', () => time.advance(61_000))).toMatchObject({
    status: 400,
    body: { errcode: 'M_UNKNOWN' },
  })
  await test.close()
  await t.close()
})
