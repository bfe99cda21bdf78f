import { pbkdf2 } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createNames, NameFailure, type Names } from '../../src/platform/dns.js'
import { FakeClock } from '../../src/platform/time.js'
import { type DnsServer, startDnsServer } from '../support/dns-server.js'

let dns: DnsServer
let folder: string
const clock = new FakeClock()
beforeAll(async () => {
  dns = await startDnsServer()
  folder = await mkdtemp(join(tmpdir(), 'neurite-dns-'))
  await writeFile(
    join(folder, 'hosts'),
    '# ours\n192.0.2.7 Here.example here # and more\n2001:db8::7 here.example\nnonsense x\n',
  )
  dns.records.set('two.example', { addresses: ['192.0.2.1', '2001:db8::1'] })
  dns.records.set('six.example', { addresses: ['2001:db8::6'] })
  dns.records.set('empty.example', {})
  dns.records.set('failing.example', { broken: 'failing' })
  dns.records.set('loop.example', { alias: 'unknown.example' })
})
afterAll(async () => {
  await dns.close()
  await rm(folder, { recursive: true })
})

function names(cacheMs = 0): Names {
  return createNames({ clock, cacheMs, cacheEntries: 100, servers: [dns.address], hostsFile: join(folder, 'hosts') })
}

async function absent(question: Promise<unknown>): Promise<unknown> {
  return question.then(
    (answer) => answer,
    (error: unknown) => (error instanceof NameFailure ? error.isAbsent : error),
  )
}

describe('names', () => {
  it('have addresses of both kinds, of one kind, or their own', async () => {
    expect(await names().addresses('Two.Example.')).toEqual([
      { address: '192.0.2.1', family: 4 },
      { address: '2001:db8::1', family: 6 },
    ])
    expect(await names().addresses('six.example')).toEqual([{ address: '2001:db8::6', family: 6 }])
    expect(await names().addresses('192.0.2.9')).toEqual([{ address: '192.0.2.9', family: 4 }])
  })

  it('of this machine come from its hosts file, and name servers are not asked for localhost', async () => {
    const before = dns.asked.length
    expect(await names().addresses('here.example')).toEqual([
      { address: '192.0.2.7', family: 4 },
      { address: '2001:db8::7', family: 6 },
    ])
    expect((await names().addresses('localhost'))[0]).toEqual({ address: '127.0.0.1', family: 4 })
    expect(dns.asked.length).toBe(before)
  })

  it('that do not exist are told from those that nobody answers for', async () => {
    expect(await absent(names().addresses('missing.example'))).toBe(true)
    expect(await absent(names().addresses('empty.example'))).toBe(true)
    expect(await absent(names().addresses('failing.example'))).toBe(false)
    expect(await absent(names().services('missing.example'))).toEqual([])
    expect(await absent(names().services('failing.example'))).toBe(false)
  })

  it('are remembered as long as configured, those that do not exist a minute in any case', async () => {
    const kept = names(5_000)
    const asked = async (name: string) => {
      const before = dns.asked.length
      await absent(kept.addresses(name))
      return dns.asked.length - before
    }
    expect([await asked('two.example'), await asked('two.example'), await asked('gone.example')]).toEqual([2, 0, 2])
    clock.advance(6_000)
    expect([await asked('two.example'), await asked('gone.example')]).toEqual([2, 0])
    clock.advance(60_000)
    expect(await asked('gone.example')).toBe(2)
  })

  it('with services come in the order of their priorities, by weight within one, and a target of "." is none', async () => {
    dns.records.set('_s._tcp.example', {
      services: [
        { target: 'last.example', port: 3, priority: 9 },
        { target: 'heavy.example', port: 1, priority: 1, weight: 65_000 },
        { target: 'light.example', port: 2, priority: 1, weight: 0 },
      ],
    })
    dns.records.set('_n._tcp.example', { services: [{ target: '.', port: 1 }] })
    const found = names()
    const orders = await Promise.all(Array.from({ length: 20 }, () => found.services('_s._tcp.example')))
    expect(orders.every((order) => order[2]?.host === 'last.example')).toBe(true)
    expect(orders.filter((order) => order[0]?.host === 'heavy.example').length).toBeGreaterThan(15)
    expect(await found.services('_n._tcp.example')).toEqual([])
  })

  it('of silent name servers do not hold up the threads that passwords are checked on', async () => {
    const asking = names()
    const hanging = Array.from({ length: 200 }, (_, at) => {
      dns.records.set(`h${at}.example`, { broken: 'silent' })
      return absent(asking.addresses(`h${at}.example`))
    })
    const since = performance.now()
    await promisify(pbkdf2)('password', 'salt', 1000, 32, 'sha256')
    expect(performance.now() - since).toBeLessThan(1_000)
    void hanging
  })
})
