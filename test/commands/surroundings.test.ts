import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { CommandFailed } from '../../src/commands/command.js'
import { surroundingsOf } from '../../src/commands/surroundings.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'neurite-surroundings-'))
})
afterAll(() => rm(folder, { recursive: true }))

it('the certificate authorities are those of SSL_CERT_FILE, which has to be there when it is named', async () => {
  const file = join(folder, 'ca.pem')
  await writeFile(file, 'PEM')
  expect(surroundingsOf({ SSL_CERT_FILE: file }).certificateAuthorities).toEqual(['PEM'])
  expect(() => surroundingsOf({ SSL_CERT_FILE: join(folder, 'missing') })).toThrow(CommandFailed)
})

it('a proxy is taken from HTTPS_PROXY, with what it wants to see', () => {
  const proxy = (HTTPS_PROXY: string) => surroundingsOf({ HTTPS_PROXY }).proxy
  expect(proxy('http://proxy.example:3128')).toEqual({ protocol: 'http', host: 'proxy.example', port: 3128 })
  expect(proxy('https://us%40er:pa%3Ass@proxy.example')).toEqual({
    protocol: 'https',
    host: 'proxy.example',
    port: 443,
    credentials: 'us@er:pa:ss',
  })
  expect(proxy('')).toBeUndefined()
  for (const wrong of ['proxy:3128', 'socks5://proxy', 'nonsense']) expect(() => proxy(wrong)).toThrow(CommandFailed)
})
