import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer, type TestUser } from '../../support/server.js'
import { ok, publicRoom, refusal, say } from './rooms-support.js'

let server: TestServer
let users = 0
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server.stop())

const user = (): Promise<TestUser> => server.register(`rules${users++}`)
const RULES = '/pushrules/global'
const actions = ['notify', { set_tweak: 'highlight' }]

async function idsOf(of: TestUser, kind: string): Promise<string[]> {
  const { body } = await ok(of.get(`${RULES}/`))
  return body[kind].map((rule: { rule_id: string }) => rule.rule_id).filter((id: string) => !id.startsWith('.'))
}

it('a rule is put, shown everywhere, switched, changed and deleted', async () => {
  const alice = await user()
  const path = `${RULES}/content/word`
  await ok(alice.put(path, { pattern: 'pudding', actions }))
  const rule = { rule_id: 'word', default: false, enabled: true, pattern: 'pudding', actions }
  expect((await ok(alice.get(path))).body).toEqual(rule)
  expect((await ok(alice.get('/pushrules/'))).body.global.content).toEqual([rule])
  await ok(alice.put(`${path}/enabled`, { enabled: false }))
  expect((await ok(alice.get(`${path}/enabled`))).body).toEqual({ enabled: false })
  await ok(alice.put(`${path}/actions`, { actions: ['notify'] }))
  expect((await ok(alice.get(`${path}/actions`))).body).toEqual({ actions: ['notify'] })
  // Set anew, it stays switched off: clients change words without meaning the switch.
  await ok(alice.put(path, { pattern: 'cake', actions }))
  expect((await ok(alice.get(path))).body).toEqual({ ...rule, pattern: 'cake', enabled: false })
  await ok(alice.delete(path))
  expect(await refusal(alice.get(path))).toEqual([404, 'M_NOT_FOUND'])
  expect(await refusal(alice.delete(path))).toEqual([404, 'M_NOT_FOUND'])
})

it('new rules come first, or where they are asked to be', async () => {
  const alice = await user()
  const put = (id: string, query = '') => alice.put(`${RULES}/sender/${id}${query}`, { actions })
  for (const id of ['a', 'b', 'c']) await ok(put(id))
  expect(await idsOf(alice, 'sender')).toEqual(['c', 'b', 'a'])
  await ok(put('d', '?after=c'))
  await ok(put('e', '?before=a'))
  await ok(put('c', '?after=a'))
  expect(await idsOf(alice, 'sender')).toEqual(['d', 'b', 'e', 'a', 'c'])
  expect((await put('f', '?before=nobody')).status).toBe(400)
  expect(await refusal(put('f', '?before=.m.rule.master'))).toEqual([400, 'M_INVALID_PARAM'])
})

it('a default rule is changed, not deleted; a wrong scope, kind or body is refused', async () => {
  const alice = await user()
  const master = `${RULES}/override/.m.rule.master`
  await ok(alice.put(`${master}/enabled`, { enabled: true }))
  expect((await ok(alice.get(master))).body).toMatchObject({ enabled: true, default: true })
  expect(await refusal(alice.delete(master))).toEqual([400, 'M_INVALID_PARAM'])
  expect(await refusal(alice.put(master, { actions }))).toEqual([400, 'M_INVALID_PARAM'])
  expect(await refusal(alice.get('/pushrules/device/content/x'))).toEqual([400, 'M_INVALID_PARAM'])
  expect(await refusal(alice.put(`${RULES}/flavour/x`, { actions }))).toEqual([400, 'M_INVALID_PARAM'])
  expect(await refusal(alice.put(`${RULES}/content/x`, { actions }))).toEqual([400, 'M_MISSING_PARAM'])
  expect(await refusal(alice.put(`${RULES}/sender/x`, { actions: ['explode'] }))).toEqual([400, 'M_INVALID_PARAM'])
  expect(await refusal(alice.put(`${RULES}/sender/x/enabled`, { enabled: true }))).toEqual([404, 'M_NOT_FOUND'])
})

it('another session is told of a change', async () => {
  const alice = await user()
  const since = (await ok(alice.get('/sync?timeout=0'))).body.next_batch
  await ok(alice.put(`${RULES}/content/word`, { pattern: 'x', actions }))
  const { account_data } = (await ok(alice.get(`/sync?timeout=5000&since=${since}`))).body
  expect(account_data.events).toMatchObject([{ type: 'm.push_rules', content: { global: { content: [{}] } } }])
})

describe('limits', () => {
  it('the id, the size and the number of rules are bounded, of default rules too (row 89)', async () => {
    const alice = await user()
    const tooLarge = [400, 'M_TOO_LARGE']
    const tweak = { set_tweak: 'sound', value: 'x'.repeat(1_024) }
    expect(await refusal(alice.put(`${RULES}/sender/${'x'.repeat(301)}`, { actions }))).toEqual(tooLarge)
    expect(await refusal(alice.put(`${RULES}/content/x`, { pattern: 'x'.repeat(1_025), actions }))).toEqual(tooLarge)
    expect(await refusal(alice.put(`${RULES}/sender/x`, { actions: [tweak] }))).toEqual(tooLarge)
    const ofDefault = alice.put(`${RULES}/underride/.m.rule.message/actions`, { actions: [tweak] })
    expect(await refusal(ofDefault)).toEqual(tooLarge)
    expect(await idsOf(alice, 'sender')).toEqual([])
  })

  it('a pattern made of stars costs no more than its length (row 93)', async () => {
    const [alice, bob] = [await user(), await user()]
    const room = await publicRoom(alice, [bob])
    await ok(bob.put(`${RULES}/content/stars`, { pattern: `${'*a'.repeat(200)}*`, actions }))
    const key = 'content.body'
    const conditions = [{ kind: 'event_match', key, pattern: `${'a*'.repeat(200)}c` }]
    await ok(bob.put(`${RULES}/override/stars`, { conditions, actions }))
    await say(alice, room, 'warm')
    await server.settle()
    const before = process.cpuUsage()
    await say(alice, room, `${'a'.repeat(50_000)}b`)
    await server.settle()
    const { user: micros } = process.cpuUsage(before)
    expect(micros / 1_000).toBeLessThan(300)
    expect((await ok(bob.get('/notifications'))).body.notifications).toHaveLength(2)
  })
})
