import { expect } from 'vitest'
import type { Answer, TestUser } from '../../support/server.js'

/** Rooms over HTTP, for the tests of what is done in them. */
export async function createRoom(user: TestUser, body: object = {}): Promise<string> {
  const answer = await user.post('/createRoom', body)
  expect(answer.status, JSON.stringify(answer.body)).toBe(200)
  return answer.body.room_id
}

/** A public room with these members. */
export async function publicRoom(creator: TestUser, others: readonly TestUser[] = [], body: object = {}) {
  const roomId = await createRoom(creator, { preset: 'public_chat', ...body })
  for (const other of others) await ok(other.post(`/rooms/${roomId}/join`))
  return roomId
}

let transactions = 0

export async function say(user: TestUser, roomId: string, text: string): Promise<string> {
  const content = { msgtype: 'm.text', body: text }
  return (await ok(user.put(`/rooms/${roomId}/send/m.room.message/say${transactions++}`, content))).body.event_id
}

export function setState(user: TestUser, roomId: string, type: string, content: object, key = ''): Promise<Answer> {
  return user.put(`/rooms/${roomId}/state/${type}/${encodeURIComponent(key)}`, content)
}

export function getState(user: TestUser, roomId: string, type: string, key = ''): Promise<Answer> {
  return user.get(`/rooms/${roomId}/state/${type}/${encodeURIComponent(key)}`)
}

export async function membershipOf(viewer: TestUser, roomId: string, userId: string): Promise<string | undefined> {
  return (await getState(viewer, roomId, 'm.room.member', userId)).body.membership
}

export async function ok(answer: Promise<Answer>): Promise<Answer> {
  const { status, body, headers } = await answer
  expect(status, JSON.stringify(body)).toBe(200)
  return { status, body, headers }
}

/** Status and code of an error. */
export async function refusal(answer: Promise<Answer>): Promise<[number, string]> {
  const { status, body } = await answer
  return [status, body.errcode]
}
