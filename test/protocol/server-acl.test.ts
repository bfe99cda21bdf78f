import { describe, expect, test } from 'vitest'
import { parseServerName } from '../../src/protocol/ids.js'
import { type JsonObject, parseJsonObject } from '../../src/protocol/json.js'
import { compileServerAcl } from '../../src/protocol/server-acl.js'

const allows = (content: JsonObject | undefined, name: string): boolean =>
  compileServerAcl(content).allows(parseServerName(name) ?? expect.fail(name))

describe('server ACLs', () => {
  test('without the event everybody may', () => {
    expect(allows(undefined, 'evil.com')).toBe(true)
  })

  test.each(['{}', '{"deny":[]}', '{"allow":[]}', '{"allow":"*"}', '{"allow":[1,null,{"a":1}]}'])(
    '%s lets nobody in',
    (text) => {
      expect(allows(parseJsonObject(text), 'good.com')).toBe(false)
    },
  )

  test('a denied server is out even if it is allowed too', () => {
    const acl = { allow: ['*'], deny: ['*.evil.com', 'evil.com', 'b?d.com', 5] }
    expect(['good.com', 'notevil.com', 'bd.com'].map((name) => allows(acl, name))).toEqual([true, true, true])
    expect(['evil.com', 'sub.evil.com', 'bad.com'].map((name) => allows(acl, name))).toEqual([false, false, false])
  })

  test('ports do not count and case does not matter', () => {
    const acl = { allow: ['*'], deny: ['*.EVIL.example', '1.2.3.4'] }
    for (const name of ['Sub.evil.EXAMPLE:8448', 'sub.evil.example:1', '1.2.3.4:80'])
      expect(allows(acl, name)).toBe(false)
    expect(allows({ allow: ['Good.example'] }, 'gOOD.example:8448')).toBe(true)
    expect(allows({ allow: ['good.example:8448'] }, 'good.example:8448')).toBe(false)
  })

  test('addresses are shut out when they are not wanted', () => {
    const acl = { allow: ['*'], allow_ip_literals: false }
    for (const name of ['[::1]', '[::1]:80', '1.2.3.4', '1.2.3.4:8448']) expect(allows(acl, name)).toBe(false)
    expect(allows(acl, '1.2.3.4.example')).toBe(true)
    expect(allows({ ...acl, allow_ip_literals: 'false' }, '1.2.3.4')).toBe(true)
    expect(allows({ allow: ['*'] }, '[::1]')).toBe(true)
  })

  test('hostile patterns cost little', () => {
    const acl = { allow: ['*'], deny: Array.from({ length: 300 }, () => '*a*a*a*a*a*a*a*a*b') }
    const start = performance.now()
    expect(allows(acl, `${'a'.repeat(200)}.example`)).toBe(true)
    expect(performance.now() - start).toBeLessThan(100)
  })
})
