import type { RoomEvent, TopologicalToken } from '../../components/roomserver/index.js'
import type { Requester } from '../../components/userapi/index.js'
import { memberProfileIn } from '../../protocol/event/content.js'
import { quote } from '../../protocol/json.js'
import type { RouteDeps } from '../deps.js'
import { arrayText, objectText, quoted } from '../json-text.js'
import { timelineToken } from '../timeline-token.js'
import { withoutIgnored } from './message-pagination.js'

type Deps = Pick<RouteDeps, 'roomserver' | 'userapi'>

interface ContextLimits {
  readonly before: number
  readonly after: number
  readonly withProfiles: boolean
}

/** What was said around an event, nearest first, as `event_context` of a search asks for it. */
export async function contextTexts(
  deps: Deps,
  user: Requester,
  event: RoomEvent,
  { before, after, withProfiles }: ContextLimits,
): Promise<string> {
  const place = { depth: event.depth, position: event.position ?? 0 }
  const earlier = await side(deps, user, event, { direction: 'b', from: justBefore(place), limit: before })
  const later = await side(deps, user, event, { direction: 'f', from: place, limit: after })
  const shown = [event, ...earlier.events, ...later.events]
  return objectText({
    start: quoted(timelineToken(earlier.end)),
    end: quoted(timelineToken(later.end)),
    events_before: arrayText(await deps.roomserver.present(earlier.events, user)),
    events_after: arrayText(await deps.roomserver.present(later.events, user)),
    profile_info: withProfiles ? await profilesText(deps, event, shown) : undefined,
  })
}

interface Side {
  readonly direction: 'b' | 'f'
  readonly from: TopologicalToken
  readonly limit: number
}

async function side(deps: Deps, user: Requester, { roomId }: RoomEvent, { direction, from, limit }: Side) {
  if (limit === 0) return { events: [], end: from }
  const page = await deps.roomserver.page({ roomId, from, direction, limit, viewer: user.userId })
  const last = page.events.at(-1)
  const place = last === undefined ? from : { depth: last.depth, position: last.position ?? 0 }
  const end = page.end ?? (direction === 'b' ? justBefore(place) : place)
  return { events: await withoutIgnored(deps, user, page.events), end }
}

function justBefore({ depth, position }: TopologicalToken): TopologicalToken {
  return { depth, position: position - 1 }
}

/** What those who speak were called when the event was sent. */
async function profilesText({ roomserver }: Deps, event: RoomEvent, shown: readonly RoomEvent[]): Promise<string> {
  const senders = new Set(shown.map(({ sender }) => sender))
  const state = await roomserver.stateAroundEvent(event, 'after')
  const profiles: string[] = []
  for (const { type, stateKey, content } of state) {
    if (type !== 'm.room.member' || !senders.has(stateKey as RoomEvent['sender'])) continue
    const { displayName, avatarUrl } = memberProfileIn(content)
    const profile = objectText({ displayname: quoted(displayName), avatar_url: quoted(avatarUrl) })
    profiles.push(`${quote(stateKey ?? '')}:${profile}`)
  }
  return `{${profiles.join(',')}}`
}
