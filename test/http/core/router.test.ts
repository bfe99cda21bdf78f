import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Method, type Route, route } from '../../../src/http/route.js'
import { createRouter, type Found } from '../../../src/http/router.js'

const at = (method: Method, path: string, versions: string[] = []): Route =>
  route({ method, path, versions, auth: 'none', handler: async () => ({}) })

const routes = [
  at('GET', '/_matrix/client/versions'),
  at('GET', '/_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}', ['r0']),
  at('PUT', '/_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}', ['r0']),
  at('GET', '/_matrix/client/v3/rooms/{roomId}/state/{eventType}'),
  at('GET', '/_matrix/client/v3/rooms/{roomId}/state/{eventType}/'),
  at('GET', '/_matrix/client/v3/rooms/{roomId}/state'),
  at('GET', '/_matrix/client/v3/profile/{userId}/{keyName}'),
  at('PUT', '/_matrix/client/v3/profile/{userId}/displayname'),
]

let answer: Found | undefined
const router = createRouter(routes, (_request, _response, found) => {
  answer = found
})
beforeAll(() => router.ready())

/** What the router finds for a request line, without a connection. */
function params(method: string, url: string): object | string | undefined {
  answer = undefined
  const request = new IncomingMessage(new Socket())
  request.method = method
  request.url = url
  router.handle(request, new ServerResponse(request))
  const found = answer as Found | undefined
  return typeof found === 'object' ? { ...found.params } : found
}

describe('the router', () => {
  it('compares paths segment by segment: nothing is skipped, merged, added or normalised', () => {
    for (const path of [
      '/_matrix/client/versions/',
      '/_matrix/client/versions/x',
      '/_matrix//client/versions',
      '//_matrix/client/versions',
      '/_matrix/client/../client/versions',
      '/_matrix/client/%76ersions',
      '/_matrix/client/Versions',
      '/_matrix/client',
      '_matrix/client/versions',
      '',
      '/',
      '*',
    ]) {
      expect(params('GET', path), path).toBe('unknown-path')
    }
    expect(params('GET', '/_matrix/client/versions')).toEqual({})
  })

  it('a parameter is one segment that is neither empty nor a dot segment, encoded or not', () => {
    const state = '/_matrix/client/v3/rooms'
    expect(params('GET', `${state}//state`)).toBe('unknown-path')
    expect(params('GET', `${state}/../state`)).toBe('unknown-path')
    expect(params('GET', `${state}/%2e%2E/state`)).toBe('unknown-path')
    expect(params('GET', `${state}/a/state/b//c`)).toBe('unknown-path')
  })

  it('decodes once, so that an encoded slash is part of its segment', () => {
    expect(params('GET', '/_matrix/client/v3/rooms/!a%2Fb:c/state/m.x/%252F%00')).toEqual({
      roomId: '!a/b:c',
      eventType: 'm.x',
      stateKey: '%2F\0',
    })
    expect(params('GET', '/_matrix/client/v3/rooms/%zz/state')).toBe('bad-encoding')
    expect(params('GET', '/_matrix/client/v3/rooms/%ff/state')).toBe('bad-encoding')
  })

  it('takes identifiers of 255 bytes, percent-encoded', () => {
    const stateKey = '€'.repeat(85)
    const path = `/_matrix/client/v3/rooms/!a:b/state/m.x/${encodeURIComponent(stateKey)}`
    expect(params('GET', path)).toMatchObject({ stateKey })
  })

  it('knows the empty state key by its trailing slash, and other versions of a path', () => {
    expect(params('GET', '/_matrix/client/v3/rooms/!a:b/state/m.x/')).toEqual({ roomId: '!a:b', eventType: 'm.x' })
    expect(params('GET', '/_matrix/client/r0/rooms/!a:b/state/m.x/k')).toMatchObject({ stateKey: 'k' })
    expect(params('GET', '/_matrix/client/r0/rooms/!a:b/state')).toBe('unknown-path')
  })

  it('tells an unknown path from a known one with another method', () => {
    expect(params('POST', '/_matrix/client/versions')).toBe('wrong-method')
    expect(params('PATCH', '/_matrix/client/versions')).toBe('wrong-method')
    expect(params('HEAD', '/_matrix/client/versions')).toEqual({})
    expect(params('PUT', '/_matrix/client/v3/rooms/!a:b/state')).toBe('wrong-method')
  })

  it('prefers literal segments', () => {
    expect(params('PUT', '/_matrix/client/v3/profile/@a:b/displayname')).toEqual({ userId: '@a:b' })
    expect(params('GET', '/_matrix/client/v3/profile/@a:b/avatar_url')).toMatchObject({ keyName: 'avatar_url' })
  })

  it('keeps parameters that are named like members of every object', () => {
    expect(params('GET', '/_matrix/client/v3/profile/__proto__/constructor')).toEqual({
      userId: '__proto__',
      keyName: 'constructor',
    })
  })
})
