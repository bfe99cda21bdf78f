import { describe, expect, it } from 'vitest'
import { ClientAddresses } from '../../../src/http/client-address.js'
import { type Log, openLog } from '../../../src/platform/log.js'

const log = openLog([{ type: 'std', level: 'fatal' }])
const trusting = new ClientAddresses({ trustedProxies: ['10.0.0.0/8', 'fd00::/8', '192.0.2.1'], realIpHeader: '' }, log)

describe("a client's address", () => {
  it('is the socket, whatever an untrusted peer claims', () => {
    expect(trusting.of('203.0.113.9', { 'x-forwarded-for': '1.2.3.4' })).toBe('203.0.113.9')
    expect(
      new ClientAddresses({ trustedProxies: [], realIpHeader: '' }, log).of('10.0.0.1', {
        'x-forwarded-for': '1.2.3.4',
      }),
    ).toBe('10.0.0.1')
  })

  it('is the rightmost one that is no trusted proxy', () => {
    const of = (header: string, peer = '10.0.0.1') => trusting.of(peer, { 'x-forwarded-for': header })
    expect(of('198.51.100.7')).toBe('198.51.100.7')
    expect(of('1.2.3.4, 198.51.100.7')).toBe('198.51.100.7')
    expect(of('1.2.3.4, 198.51.100.7, 10.9.9.9, 192.0.2.1')).toBe('198.51.100.7')
    expect(of('10.3.3.3, 10.4.4.4')).toBe('10.3.3.3')
    expect(of('2001:db8::7', 'fd00::1')).toBe('2001:db8::7')
    expect(of('[2001:db8::7]:443')).toBe('2001:db8::7')
    expect(of('198.51.100.7:5000')).toBe('198.51.100.7')
    expect(of('198.51.100.7', '::ffff:10.0.0.1')).toBe('198.51.100.7')
  })

  it('stops at what is no address, so that nothing before it counts', () => {
    const of = (header: string) => trusting.of('10.0.0.1', { 'x-forwarded-for': header })
    for (const junk of [
      '',
      'unknown',
      '1.2.3.4, evil, 10.2.2.2',
      '1.2.3.4, ,',
      '<script>',
      `${'1.1.1.1,'.repeat(5_000)}`,
    ]) {
      expect(of(junk)).toMatch(/^10\./)
    }
  })

  it('is taken from real_ip_header, from trusted proxies only where there are any', () => {
    const headers = { 'x-real-ip': '198.51.100.7' }
    expect(new ClientAddresses({ trustedProxies: [], realIpHeader: 'X-Real-IP' }, log).of('203.0.113.9', headers)).toBe(
      '198.51.100.7',
    )
    const strict = new ClientAddresses({ trustedProxies: ['10.0.0.0/8'], realIpHeader: 'X-Real-IP' }, log)
    expect(strict.of('203.0.113.9', headers)).toBe('203.0.113.9')
    expect(strict.of('10.0.0.1', headers)).toBe('198.51.100.7')
    expect(strict.of('10.0.0.1', { 'x-real-ip': 'junk' })).toBe('10.0.0.1')
  })

  it('behind a proxy that nobody has named is warned of once', () => {
    const warnings: string[] = []
    const noting = { ...log, warn: (_fields: object, message: string) => warnings.push(message) } as unknown as Log
    const addresses = new ClientAddresses({ trustedProxies: [], realIpHeader: '' }, noting)
    for (let n = 0; n < 500; n++) addresses.of('172.16.0.1', { 'x-forwarded-for': '1.2.3.4' })
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toContain('trusted_proxies')
  })
})
