import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ChildServer, type ChildUser, startChildServer } from '../support/child-server.js'
import { Follower, message, messagesOf, roomOf, sendPath } from './collect.js'

const PEOPLE = 16
const MESSAGES = 2_000
/** Requests that one person has under way at a time. */
const AT_ONCE = 4
const KEYS = 100

describe('many people at once', () => {
  let server: ChildServer
  const people: ChildUser[] = []
  beforeAll(async () => {
    server = await startChildServer()
    for (let index = 0; index < PEOPLE; index++) people.push(await server.register(`person${index}`))
  })
  afterAll(() => server.remove())

  it('2,000 messages of sixteen people into one room: each is kept once, and each member gets each once', async () => {
    const [first, ...others] = people as [ChildUser, ...ChildUser[]]
    const roomId = await roomOf(first, others)
    const followers = people.map((person) => new Follower(person))
    await Promise.all(followers.map((follower) => follower.begin()))
    const following = followers.map(async (follower) => {
      while (follower.messages.length < MESSAGES) await follower.next(10_000)
      // What came twice would come now.
      await follower.next(0)
    })

    const sent: string[] = []
    let next = 0
    const send = async (person: ChildUser): Promise<void> => {
      for (let number = next++; number < MESSAGES; number = next++) {
        const { status, body } = await person.put(sendPath(roomId, `crowd${number}`), message(`${number}`))
        expect(status).toBe(200)
        sent.push(body.event_id)
      }
    }
    await Promise.all(people.flatMap((person) => Array.from({ length: AT_ONCE }, () => send(person))))
    await Promise.all(following)

    expect(new Set(sent).size).toBe(MESSAGES)
    const expected = sent.toSorted()
    expect((await messagesOf(first, roomId)).toSorted()).toEqual(expected)
    for (const follower of followers) expect(follower.messages.toSorted()).toEqual(expected)
  }, 60_000)

  it('eight claim the same one-time keys at once: none is given twice (F52)', async () => {
    const [owner, ...others] = people as [ChildUser, ...ChildUser[]]
    const keys = Object.fromEntries(
      Array.from({ length: KEYS }, (_, index) => {
        const signatures = { [owner.userId]: { [`ed25519:${owner.deviceId}`]: 'not looked at by the server' } }
        return [`signed_curve25519:key${index}`, { key: `value${index}`, signatures }]
      }),
    )
    const uploaded = await owner.post('/keys/upload', { one_time_keys: keys })
    expect(uploaded.body).toEqual({ one_time_key_counts: { signed_curve25519: KEYS } })

    const wanted = { one_time_keys: { [owner.userId]: { [owner.deviceId]: 'signed_curve25519' } } }
    const claims = await Promise.all(
      others.slice(0, 8).map(async (claimer) => {
        const given: string[] = []
        // More than there are in all: the last ones get nothing.
        for (let count = 0; count < KEYS / 8 + 2; count++) {
          const { status, body } = await claimer.post('/keys/claim', wanted)
          expect(status).toBe(200)
          given.push(...Object.keys(body.one_time_keys[owner.userId]?.[owner.deviceId] ?? {}))
        }
        return given
      }),
    )
    const given = claims.flat()
    expect(new Set(given).size).toBe(given.length)
    expect(given.toSorted()).toEqual(Object.keys(keys).toSorted())
  })
})
