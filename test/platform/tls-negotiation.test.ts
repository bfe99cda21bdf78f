import { type AddressInfo, createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { describe, expect, it } from 'vitest'
import { settleConnectionString } from '../../src/platform/tls-negotiation.js'

/** Another address of this machine than the loopback, where there is one. */
const outside = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address

async function settledAgainst(answer: string): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined).once('data', () => socket.end(answer))
  })
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve))
  const { port } = server.address() as AddressInfo
  const settled = await settleConnectionString(`postgresql://u@${outside}:${port}/d`)
  await new Promise((resolve) => server.close(resolve))
  return settled.replace(/.*\?/, '')
}

describe('a connection string that does not say whether to use TLS', () => {
  it.runIf(outside !== undefined)('uses it where the server has it', async () => {
    expect(await settledAgainst('S')).toBe('sslmode=require&uselibpqcompat=true')
  })

  it.runIf(outside !== undefined)('does without where the server has not', async () => {
    expect(await settledAgainst('N')).toBe('sslmode=disable&uselibpqcompat=true')
  })

  it('does without on this machine, and leaves a clear word as it is', async () => {
    expect(await settleConnectionString('postgresql://u:p@/d?sslmode=prefer')).toMatch(
      /localhost\/d\?.*sslmode=disable/,
    )
    expect(await settleConnectionString('postgresql://u@h/d?sslmode=verify-full')).toContain('sslmode=verify-full')
    expect(await settleConnectionString('postgresql://u@/d?host=%2Frun')).toContain('sslmode=disable')
  })
})
