import { LoadingCache } from '../../../platform/loading-cache.js'
import type { RoomId, UserId } from '../../../protocol/ids.js'
import type { Membership, RoomSummary } from '../api.js'
import type { RoomInternals } from '../internals.js'
import { membershipOfCode } from '../store/memberships.js'
import { SELECT_SUMMARIES, type SummaryRow } from '../store/memberships-reads.js'

/** `m.heroes` names at most this many (CS API "Calculating the display name for a room"). */
const MAX_HEROES = 5

interface KnownSummary {
  readonly joinedMembers: number
  readonly invitedMembers: number
  /** One more than there are heroes, since the viewer is none. Joined and invited ones come before those who are gone. */
  readonly firstMembers: readonly { readonly userId: UserId; readonly isGone: boolean }[]
}

/** What rooms are called where they have no name: counts and heroes, in memory until somebody comes or goes. */
export class Summaries {
  readonly #known: LoadingCache<RoomId, KnownSummary>

  constructor(internals: RoomInternals) {
    this.#known = new LoadingCache<RoomId, KnownSummary>(
      internals.cacheBudget.cache('roomserver.summaries', (summary) => 200 + summary.firstMembers.length * 120),
      async (roomIds) => {
        const rows = await internals.database.run(SELECT_SUMMARIES, roomIds, MAX_HEROES + 1)
        return new Map(rows.map((row) => [row.room_id, summaryOfRow(row)]))
      },
    )
    internals.onCommitted((entries) => {
      for (const { roomId, memberships } of entries) {
        if (memberships.some(({ membership, previous }) => membership !== previous)) this.#known.drop(roomId)
      }
    })
  }

  /** Of the rooms that are known here. One statement at most. */
  async of(roomIds: readonly RoomId[], viewer: UserId): Promise<Map<RoomId, RoomSummary>> {
    const summaries = new Map<RoomId, RoomSummary>()
    for (const [roomId, known] of await this.#known.getMany(roomIds)) {
      const { joinedMembers, invitedMembers } = known
      summaries.set(roomId, { roomId, joinedMembers, invitedMembers, heroes: heroesFor(known, viewer) })
    }
    return summaries
  }
}

function heroesFor({ firstMembers }: KnownSummary, viewer: UserId): UserId[] {
  const others = firstMembers.filter(({ userId }) => userId !== viewer)
  const present = others.filter(({ isGone }) => !isGone)
  return (present.length > 0 ? present : others).slice(0, MAX_HEROES).map(({ userId }) => userId)
}

function summaryOfRow(row: SummaryRow): KnownSummary {
  return {
    joinedMembers: row.joined_members,
    invitedMembers: row.invited_members,
    firstMembers: row.user_ids.map((userId, index) => ({ userId, isGone: isGone(row.memberships[index]) })),
  }
}

function isGone(code: number | undefined): boolean {
  const gone: readonly Membership[] = ['leave', 'ban']
  return code !== undefined && gone.includes(membershipOfCode(code))
}
