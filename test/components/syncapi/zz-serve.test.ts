import { existsSync, writeFileSync, rmSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { it } from 'vitest'
import { startTestServer } from '../../support/server.js'
it('serves', async () => {
  const server = await startTestServer()
  writeFileSync('/tmp/i-sytest-url', server.url)
  while (!existsSync('/tmp/i-sytest-stop')) await pause(300)
  rmSync('/tmp/i-sytest-stop')
  await server.stop()
}, 1_000_000)
