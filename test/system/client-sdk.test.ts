import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ChildServer, startChildServer } from '../support/child-server.js'
import { type SdkStep, startSdkScript } from '../support/sdk-child.js'

describe('the current matrix-js-sdk with Rust crypto', () => {
  let server: ChildServer
  beforeAll(async () => {
    server = await startChildServer()
  })
  afterAll(() => server.remove())

  it('sets up cross-signing, verifies devices, talks encrypted across a restart, and restores a backup', async () => {
    const script = startSdkScript('encrypted-talk.mjs', [server.url])
    try {
      const first = await script.until('restart')
      expect((await server.kill('SIGTERM')).code).toBe(0)
      await server.start()
      script.goOn()
      const steps = new Map([...first, ...(await script.until('done'))].map((step) => [step.step, step]))

      for (const name of ['alice', 'bob']) {
        expect(steps.get(`${name} set up`)).toMatchObject({ crossSigning: true, secretStorage: true, backup: '1' })
      }
      expect(steps.get('emoji')).toMatchObject({ equal: true })
      expect(steps.get('second devices')).toMatchObject({
        alice1SeesAlice2: true,
        alice2SeesAlice1: true,
        bob1SeesBob2: true,
        alice2HasTheKeys: true,
      })
      for (const when of ['before the restart', 'after the restart']) {
        for (const from of ['alice1', 'bob2']) expectRead(steps, `from ${from} ${when}`)
      }
      expect(steps.get('restored')).toMatchObject({
        old: { body: 'from alice1 before the restart', encrypted: true, type: 'm.room.encrypted' },
        newer: { body: 'from bob2 after the restart', encrypted: true, type: 'm.room.encrypted' },
        alice1SeesAlice3: true,
      })
      expect(steps.get('restored')?.imported).toBeGreaterThanOrEqual(2)
    } finally {
      script.kill()
    }
  }, 60_000)
})

function expectRead(steps: ReadonlyMap<string, SdkStep>, body: string): void {
  const message = { body, encrypted: true, type: 'm.room.encrypted' }
  expect(steps.get(body)?.read).toEqual({ alice1: message, alice2: message, bob1: message, bob2: message })
}
