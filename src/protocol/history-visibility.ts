import type { HistoryVisibility, Membership } from './event/content.js'

/**
 * Who may see an event, judged by the room's state at the event and never by today's. Client-server API "Room History
 * Visibility", "Server behaviour". The facts are the caller's; nothing is looked up here.
 */

/** A fact just before and just after the event. They differ only when the event itself changes it. */
export interface Around<Fact> {
  readonly before: Fact
  readonly after: Fact
}

export interface UserFacts {
  readonly visibility: Around<HistoryVisibility>
  /** The user's own membership; undefined for somebody who has none yet. */
  readonly membership: Around<Membership | undefined>
  /** The user joined the room at some point after the event, though they may have left since. */
  readonly joinedLater: boolean
}

export function mayUserSee({ visibility, membership, joinedLater }: UserFacts): boolean {
  // SPEC-DEPARTURE: the rules hide from somebody who turns an invite or a knock down the event that says so, and the
  // room would stay in their list for ever.
  if (membership.after === 'leave' && isPending(membership.before)) return true
  return either(visibility, (visible) => either(membership, (member) => allows(visible, member, joinedLater)))
}

export interface ServerFacts {
  readonly visibility: Around<HistoryVisibility>
  /** Memberships that users of the server had, before or after the event. */
  readonly memberships: ReadonlySet<Membership>
  /** A user of the server joined at some point after the event. */
  readonly joinedLater: boolean
}

/** Whether a server may be given the event: when a user of it may see it. */
export function mayServerSee({ visibility, memberships, joinedLater }: ServerFacts): boolean {
  return either(
    visibility,
    (visible) =>
      allows(visible, undefined, joinedLater) ||
      [...memberships].some((member) => allows(visible, member, joinedLater)),
  )
}

function allows(visibility: HistoryVisibility, membership: Membership | undefined, joinedLater: boolean): boolean {
  if (visibility === 'world_readable' || membership === 'join') return true
  if (visibility === 'shared') return joinedLater
  return visibility === 'invited' && membership === 'invite'
}

function isPending(membership: Membership | undefined): boolean {
  return membership === 'invite' || membership === 'knock'
}

function either<Fact>({ before, after }: Around<Fact>, test: (fact: Fact) => boolean): boolean {
  return test(before) || (after !== before && test(after))
}
