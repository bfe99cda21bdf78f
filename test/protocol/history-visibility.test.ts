import { describe, expect, test } from 'vitest'
import type { HistoryVisibility, Membership } from '../../src/protocol/event/content.js'
import { type Around, mayServerSee, mayUserSee } from '../../src/protocol/history-visibility.js'

const still = <Fact>(fact: Fact): Around<Fact> => ({ before: fact, after: fact })
const MEMBERSHIPS: readonly (Membership | undefined)[] = ['join', 'invite', 'knock', 'leave', 'ban', undefined]

function seenBy(visibility: HistoryVisibility, joinedLater: boolean): (Membership | undefined)[] {
  return MEMBERSHIPS.filter((membership) =>
    mayUserSee({ visibility: still(visibility), membership: still(membership), joinedLater }),
  )
}

describe('an event is seen by those who at that time', () => {
  test('are anybody: world_readable', () => {
    expect(seenBy('world_readable', false)).toEqual(MEMBERSHIPS)
  })

  test('were joined: every visibility', () => {
    for (const visibility of ['shared', 'joined'] as const) expect(seenBy(visibility, false)).toEqual(['join'])
  })

  test('were not, but joined later: shared', () => {
    expect(seenBy('shared', true)).toEqual(MEMBERSHIPS)
    expect(seenBy('joined', true)).toEqual(['join'])
    expect(seenBy('invited', true)).toEqual(['join', 'invite'])
  })

  test('were invited: invited', () => {
    expect(seenBy('invited', false)).toEqual(['join', 'invite'])
  })
})

describe('an event that changes who may see', () => {
  const outsider = { membership: still<Membership | undefined>(undefined), joinedLater: false }

  test('history visibility counts before and after', () => {
    expect(mayUserSee({ ...outsider, visibility: { before: 'world_readable', after: 'joined' } })).toBe(true)
    expect(mayUserSee({ ...outsider, visibility: { before: 'joined', after: 'world_readable' } })).toBe(true)
    expect(mayUserSee({ ...outsider, visibility: { before: 'joined', after: 'shared' } })).toBe(false)
  })

  test.each([
    [undefined, 'join', true],
    ['join', 'leave', true],
    ['join', 'ban', true],
    ['leave', 'ban', false],
    ['leave', 'invite', false],
    ['invite', 'leave', true],
    ['knock', 'leave', true],
    ['ban', 'leave', false],
  ] as const)('own membership from %s to %s in a room for joined members: %s', (before, after, seen) => {
    expect(mayUserSee({ visibility: still('joined'), membership: { before, after }, joinedLater: false })).toBe(seen)
  })
})

describe('a server is given', () => {
  const facts = { visibility: still<HistoryVisibility>('joined'), joinedLater: false }

  test('what a user of it may see', () => {
    expect(mayServerSee({ ...facts, memberships: new Set(['leave', 'join']) })).toBe(true)
    expect(mayServerSee({ ...facts, memberships: new Set(['invite']) })).toBe(false)
    expect(mayServerSee({ ...facts, visibility: still('invited'), memberships: new Set(['invite']) })).toBe(true)
    expect(mayServerSee({ ...facts, visibility: still('world_readable'), memberships: new Set() })).toBe(true)
  })

  test('shared history once somebody of it has joined', () => {
    const shared = { visibility: still<HistoryVisibility>('shared'), memberships: new Set<Membership>() }
    expect(mayServerSee({ ...shared, joinedLater: true })).toBe(true)
    expect(mayServerSee({ ...shared, joinedLater: false })).toBe(false)
    expect(mayServerSee({ ...facts, joinedLater: true, memberships: new Set() })).toBe(false)
  })
})
