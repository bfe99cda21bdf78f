import { z } from 'zod'
import type { MessageQuery, SearchKey } from '../../components/search/index.js'
import type { Requester } from '../../components/userapi/index.js'
import type { RoomId } from '../../protocol/ids.js'
import { quote } from '../../protocol/json.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { RouteDeps } from '../deps.js'
import { arrayText, objectText, quoted, textReply } from '../json-text.js'
import { eventFilterOf, matchesFilter } from '../room-filter.js'
import { type Route, route } from '../route.js'
import { roomEventFilter } from '../schema/filter.js'
import { contextTexts } from './search-context.js'
import { type FoundMessage, findMessages } from './search-messages.js'

export type SearchRouteDeps = Pick<RouteDeps, 'roomserver' | 'userapi' | 'search'>

const DEFAULT_LIMIT = 10
const MAX_LIMIT = 50
const DEFAULT_CONTEXT = 5
const MAX_CONTEXT = 20
const MAX_OFFSET = 10_000
const KEYS = ['content.body', 'content.name', 'content.topic'] as const satisfies readonly SearchKey[]

const contextLimit = z.number().int().nonnegative().nullish()

const criteria = z.object({
  search_term: z.string(),
  keys: z.array(z.enum(KEYS)).nullish(),
  filter: roomEventFilter.nullish(),
  order_by: z.enum(['recent', 'rank']).nullish(),
  event_context: z
    .object({ before_limit: contextLimit, after_limit: contextLimit, include_profile: z.boolean().nullish() })
    .nullish(),
  include_state: z.boolean().nullish(),
  groupings: z.object({ group_by: z.array(z.object({ key: z.enum(['room_id', 'sender']) })).nullish() }).nullish(),
})
type Criteria = z.output<typeof criteria>

/** Where the next page begins; of one group only, when it was that group's token. */
const tokenSchema = z.object({
  o: z.number().int().min(0).max(MAX_OFFSET),
  k: z.enum(['room_id', 'sender']).optional(),
  v: z.string().optional(),
})
type Token = z.output<typeof tokenSchema>

export function searchRoutes(deps: SearchRouteDeps): Route[] {
  return [
    route({
      method: 'POST',
      path: '/_matrix/client/v3/search',
      versions: ['r0'],
      auth: 'user',
      rateLimit: 'client',
      query: z.object({ next_batch: z.string().optional() }),
      body: z.object({ search_categories: z.object({ room_events: criteria.nullish() }) }),
      async handler({ user, query, body }) {
        if (!deps.search.searchesMessages) {
          throw new MatrixError('M_UNRECOGNIZED', 'Searching messages is switched off on this server')
        }
        const token = readToken(query.next_batch)
        const wanted = body.search_categories.room_events
        if (wanted === null || wanted === undefined) return { search_categories: {} }
        return searchRoomEvents(deps, user, wanted, token)
      },
    }),
  ]
}

async function searchRoomEvents(deps: SearchRouteDeps, user: Requester, wanted: Criteria, token: Token) {
  const filter = wanted.filter ?? {}
  const limit = Math.min(filter.limit ?? DEFAULT_LIMIT, MAX_LIMIT)
  const conditions = eventFilterOf(filter)
  const query: Omit<MessageQuery, 'offset' | 'limit'> = {
    term: wanted.search_term,
    roomIds: await roomsToSearch(deps, user, filter, token),
    keys: wanted.keys ?? KEYS,
    senders: token.k === 'sender' && token.v !== undefined ? [token.v] : (filter.senders ?? undefined),
    notSenders: [...(filter.not_senders ?? []), ...(await deps.userapi.ignoredUsers(user.userId))],
    order: wanted.order_by ?? 'rank',
  }
  const isWanted = (message: FoundMessage) => matchesFilter(conditions, message.event)
  const found = await findMessages(deps, { query, viewer: user.userId, offset: token.o, limit, isWanted })
  const texts = await resultTexts(deps, user, wanted, found.messages)
  const next = found.next === undefined || found.next > MAX_OFFSET ? undefined : { ...token, o: found.next }
  const roomEvents = objectText({
    count: String(found.count),
    highlights: arrayText(deps.search.words(wanted.search_term).map(quote)),
    results: arrayText(texts),
    groups: groupsText(wanted, found.messages, { token, next }),
    state: wanted.include_state === true ? await stateText(deps, user, found.messages) : undefined,
    next_batch: quoted(next && writeToken(next)),
  })
  return textReply(`{"search_categories":{"room_events":${roomEvents}}}`)
}

/** Rooms that the user is in, or was and has not forgotten; what of them they may see is judged for each event. */
async function roomsToSearch(
  { roomserver }: SearchRouteDeps,
  user: Requester,
  filter: NonNullable<Criteria['filter']>,
  token: Token,
): Promise<RoomId[]> {
  const rooms: RoomId[] = []
  for (const { roomId, membership, forgotten } of (await roomserver.memberships(user.userId)).values()) {
    if (forgotten || membership === 'invite' || membership === 'knock') continue
    if (filter.rooms?.includes(roomId) === false || filter.not_rooms?.includes(roomId) === true) continue
    if (token.k === 'room_id' && token.v !== roomId) continue
    rooms.push(roomId)
  }
  return rooms
}

async function resultTexts(
  deps: SearchRouteDeps,
  user: Requester,
  wanted: Criteria,
  messages: readonly FoundMessage[],
): Promise<string[]> {
  const events = await deps.roomserver.present(
    messages.map(({ event }) => event),
    user,
  )
  const around = wanted.event_context
  const limits = around && {
    before: Math.min(around.before_limit ?? DEFAULT_CONTEXT, MAX_CONTEXT),
    after: Math.min(around.after_limit ?? DEFAULT_CONTEXT, MAX_CONTEXT),
    withProfiles: around.include_profile === true,
  }
  const texts: string[] = []
  for (const [index, { event, rank }] of messages.entries()) {
    const context = limits && (await contextTexts(deps, user, event, limits))
    texts.push(objectText({ rank: String(rank), result: events[index], context: context ?? undefined }))
  }
  return texts
}

/** By each key that was asked for: the events of the page, and the way to more of that group alone. */
function groupsText(
  wanted: Criteria,
  messages: readonly FoundMessage[],
  { token, next }: { readonly token: Token; readonly next: Token | undefined },
): string | undefined {
  const keys = new Set((wanted.groupings?.group_by ?? []).map(({ key }) => key))
  if (keys.size === 0) return undefined
  const groups: Record<string, string> = {}
  for (const key of keys) {
    const byValue = new Map<string, string[]>()
    for (const { event } of messages) {
      const value = key === 'room_id' ? event.roomId : event.sender
      byValue.set(value, [...(byValue.get(value) ?? []), event.eventId])
    }
    const entries = [...byValue].map(([value, results], order) => {
      const more = next && moreOfGroup(token, next, { key, value, shown: results.length })
      const text = objectText({
        order: String(order),
        results: arrayText(results.map(quote)),
        next_batch: quoted(more && writeToken(more)),
      })
      return `${quote(value)}:${text}`
    })
    groups[key] = `{${entries.join(',')}}`
  }
  return objectText(groups)
}

/** From the first page of everything, and from pages of the group itself; in others it is not known how many came before. */
function moreOfGroup(
  token: Token,
  next: Token,
  { key, value, shown }: { readonly key: 'room_id' | 'sender'; readonly value: string; readonly shown: number },
): Token | undefined {
  if (token.k === key) return next
  return token.k === undefined && token.o === 0 ? { o: shown, k: key, v: value } : undefined
}

/** The current state of the rooms of the page that the user is in. */
async function stateText(
  { roomserver }: SearchRouteDeps,
  user: Requester,
  messages: readonly FoundMessage[],
): Promise<string> {
  const memberships = await roomserver.memberships(user.userId)
  const rooms = [...new Set(messages.map(({ event }) => event.roomId))]
  const joined = rooms.filter((roomId) => memberships.get(roomId)?.membership === 'join')
  const state = await roomserver.currentState(joined)
  const members: string[] = []
  for (const [roomId, events] of state) {
    members.push(`${quote(roomId)}:${arrayText(await roomserver.present(events, user))}`)
  }
  return `{${members.join(',')}}`
}

function writeToken(token: Token): string {
  return Buffer.from(JSON.stringify(token)).toString('base64url')
}

/** @throws MatrixError M_INVALID_PARAM */
function readToken(text: string | undefined): Token {
  if (text === undefined || text === '') return { o: 0 }
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(text, 'base64url').toString())
  } catch {
    value = undefined
  }
  const token = tokenSchema.safeParse(value)
  if (!token.success) throw new MatrixError('M_INVALID_PARAM', 'next_batch: not a token of a search')
  return token.data
}
