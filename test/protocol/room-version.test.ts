import { describe, expect, test } from 'vitest'
import {
  DEFAULT_ROOM_VERSION,
  KNOWN_ROOM_VERSIONS,
  type RoomVersion,
  roomVersion,
} from '../../src/protocol/room-version.js'

const versionsWith = (has: (version: RoomVersion) => boolean): string =>
  KNOWN_ROOM_VERSIONS.filter((id) => has(roomVersion(id) ?? expect.fail(id))).join(' ')

describe('room versions', () => {
  test('are 1 to 12, all of them stable, with 12 for new rooms', () => {
    expect(versionsWith(({ stable }) => stable)).toBe('1 2 3 4 5 6 7 8 9 10 11 12')
    expect(DEFAULT_ROOM_VERSION).toBe('12')
  })

  test.each(['', '0', '13', '01', '1.0', ' 1', '__proto__', 'constructor', 'org.matrix.msc3757.10'])(
    '%j is unknown',
    (id) => {
      expect(roomVersion(id)).toBeUndefined()
    },
  )

  test('behave as the feature matrix of the specification says', () => {
    expect(versionsWith((version) => version.eventIdFormat === 'explicit' && version.referencesWithHashes)).toBe('1 2')
    expect(versionsWith((version) => version.eventIdServerMustSign && version.redactionAuthRule)).toBe('1 2')
    expect(versionsWith((version) => version.eventIdFormat === 'base64')).toBe('3')
    expect(versionsWith((version) => version.enforceKeyValidity)).toBe('5 6 7 8 9 10 11 12')
    expect(versionsWith((version) => version.strictCanonicalJson && version.notificationsLevelChecked)).toBe(
      '6 7 8 9 10 11 12',
    )
    expect(versionsWith((version) => version.specialCaseAliases)).toBe('1 2 3 4 5')
    expect(versionsWith((version) => version.knocking)).toBe('7 8 9 10 11 12')
    expect(versionsWith((version) => version.restrictedJoins && version.redactionKeepsAllow)).toBe('8 9 10 11 12')
    expect(versionsWith((version) => version.redactionKeepsJoinAuthorisation)).toBe('9 10 11 12')
    expect(versionsWith((version) => version.knockRestricted && version.integerPowerLevels)).toBe('10 11 12')
    expect(versionsWith((version) => version.creatorFromSender && version.redactsInContent)).toBe('11 12')
    expect(versionsWith((version) => version.updatedRedactionRules && version.strictByteLimits)).toBe('11 12')
    expect(
      versionsWith(
        (version) => version.roomIdIsCreateHash && version.privilegedCreators && version.createEventIsImplied,
      ),
    ).toBe('12')
    expect(versionsWith((version) => version.stateResolution === 'v1')).toBe('1')
    expect(versionsWith((version) => version.stateResolution === 'v2.1')).toBe('12')
  })
})
