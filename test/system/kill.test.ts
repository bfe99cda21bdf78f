import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ChildServer, type ChildUser, startChildServer } from '../support/child-server.js'
import { Follower, message, messagesOf, roomOf, sendPath } from './collect.js'

const SENDS = 500
/** Requests under way at a time; the others follow as these are answered. */
const AT_ONCE = 125
const ROOMS = 5

describe('kill -9 in the middle of 500 concurrent sends (F1)', () => {
  let server: ChildServer
  let watcher: ChildUser
  const senders: { user: ChildUser; roomId: string }[] = []
  beforeAll(async () => {
    server = await startChildServer()
    watcher = await server.register('watcher')
    for (let index = 0; index < ROOMS; index++) {
      const [one, two] = await Promise.all([server.register(`one${index}`), server.register(`two${index}`)])
      const roomId = await roomOf(one, [two, watcher])
      senders.push({ user: one, roomId }, { user: two, roomId })
    }
  })
  afterAll(() => server.remove())

  for (const acknowledgedBefore of [1, 120, 320]) {
    it(`loses and doubles nothing when it dies after ${acknowledgedBefore} answers`, async () => {
      const follower = new Follower(watcher)
      await follower.begin()
      const sendAll = async (onAnswer: () => void): Promise<(string | undefined)[]> => {
        const ids = new Array<string | undefined>(SENDS).fill(undefined)
        let next = 0
        const sendOthers = async (): Promise<void> => {
          for (let index = next++; index < SENDS; index = next++) {
            const { user, roomId } = senders[index % senders.length] as (typeof senders)[number]
            const path = sendPath(roomId, `kill${acknowledgedBefore}-${index}`)
            const answer = await user.put(path, message(`${index}`)).catch(() => undefined)
            if (answer === undefined) continue
            expect(answer.status).toBe(200)
            onAnswer()
            ids[index] = answer.body.event_id
          }
        }
        await Promise.all(Array.from({ length: AT_ONCE }, sendOthers))
        return ids
      }

      let answers = 0
      const killed: Promise<unknown>[] = []
      const first = await sendAll(() => {
        if (++answers === acknowledgedBefore) killed.push(server.kill('SIGKILL'))
      })
      await Promise.all(killed)
      await server.start()
      expect(first).toContain(undefined)

      const second = await sendAll(() => undefined)
      const ids = second.filter((id) => id !== undefined)
      expect(new Set(ids).size).toBe(SENDS)
      expect(first.filter((id, index) => id !== undefined && id !== second[index])).toEqual([])

      while (follower.messages.length < SENDS) await follower.next(1_000)
      await follower.next(0)
      expect(follower.messages.toSorted()).toEqual(ids.toSorted())

      const rooms = [...new Set(senders.map(({ roomId }) => roomId))]
      const kept = (await Promise.all(rooms.map((roomId) => messagesOf(watcher, roomId)))).flat()
      expect(new Set(kept).size).toBe(kept.length)
      expect(ids.filter((id) => !kept.includes(id))).toEqual([])
    }, 30_000)
  }
})
