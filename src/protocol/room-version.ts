/**
 * A room version as a record of what it does: code asks for the behaviour by name, never for the number.
 * content/rooms/v1.md .. v12.md of the specification. Unknown versions do not exist here, so everything fails closed.
 */
export interface RoomVersion {
  readonly id: string
  readonly stable: boolean

  // Event format
  /** `explicit`: `event_id` is in the event; else `$` and the reference hash in that alphabet. */
  readonly eventIdFormat: 'explicit' | 'base64' | 'base64url'
  /** `prev_events` and `auth_events` are `[event id, { sha256 }]` pairs, not ids. */
  readonly referencesWithHashes: boolean
  /** Numbers must be integers within +-(2^53 - 1), in their shortest form. */
  readonly strictCanonicalJson: boolean
  /** An id, type or state key of more than 255 bytes is no event at all. Before, up to 255 characters made a rejected one. */
  readonly strictByteLimits: boolean
  /** The create event has no `room_id`: the room id is `!` and its reference hash. */
  readonly roomIdIsCreateHash: boolean
  /** The target of a redaction is `content.redacts`, not `redacts`. */
  readonly redactsInContent: boolean
  /** The room's creator is the sender of the create event, which has no `content.creator`. */
  readonly creatorFromSender: boolean

  // Signatures
  /** The server in `event_id` must have signed too. */
  readonly eventIdServerMustSign: boolean
  /** The key has to be valid at `origin_server_ts`, and for at most seven days beyond now. */
  readonly enforceKeyValidity: boolean

  // Authorisation
  /** `m.room.aliases` has an auth rule of its own and keeps `aliases` when redacted. */
  readonly specialCaseAliases: boolean
  /** Whether a redaction is applied is an auth rule (11); later it is judged apart from them. */
  readonly redactionAuthRule: boolean
  /** Changes of `notifications` in power levels are checked like those of `events`. */
  readonly notificationsLevelChecked: boolean
  readonly knocking: boolean
  readonly restrictedJoins: boolean
  readonly knockRestricted: boolean
  /** Power levels must be integers. Else strings are read as numbers, and floats where JSON is not strict. */
  readonly integerPowerLevels: boolean
  /** Creators are `sender` and `additional_creators`, with infinite power; they may not be in `users`. */
  readonly privilegedCreators: boolean
  /** The create event is implied by the room id and must not be among `auth_events`. */
  readonly createEventIsImplied: boolean

  // Redaction
  /** A redacted `m.room.join_rules` keeps `allow`. */
  readonly redactionKeepsAllow: boolean
  /** A redacted `m.room.member` keeps `join_authorised_via_users_server`. */
  readonly redactionKeepsJoinAuthorisation: boolean
  /** Version 11's list: all of create, `invite` level, `third_party_invite.signed`, `redacts`; no `origin`, `membership`, `prev_state`. */
  readonly updatedRedactionRules: boolean

  readonly stateResolution: 'v1' | 'v2' | 'v2.1'
}

const V1: RoomVersion = {
  id: '1',
  stable: true,
  eventIdFormat: 'explicit',
  referencesWithHashes: true,
  strictCanonicalJson: false,
  strictByteLimits: false,
  roomIdIsCreateHash: false,
  redactsInContent: false,
  creatorFromSender: false,
  eventIdServerMustSign: true,
  enforceKeyValidity: false,
  specialCaseAliases: true,
  redactionAuthRule: true,
  notificationsLevelChecked: false,
  knocking: false,
  restrictedJoins: false,
  knockRestricted: false,
  integerPowerLevels: false,
  privilegedCreators: false,
  createEventIsImplied: false,
  redactionKeepsAllow: false,
  redactionKeepsJoinAuthorisation: false,
  updatedRedactionRules: false,
  stateResolution: 'v1',
}
const V2: RoomVersion = { ...V1, id: '2', stateResolution: 'v2' }
const V3: RoomVersion = {
  ...V2,
  id: '3',
  eventIdFormat: 'base64',
  referencesWithHashes: false,
  eventIdServerMustSign: false,
  redactionAuthRule: false,
}
const V4: RoomVersion = { ...V3, id: '4', eventIdFormat: 'base64url' }
const V5: RoomVersion = { ...V4, id: '5', enforceKeyValidity: true }
const V6: RoomVersion = {
  ...V5,
  id: '6',
  strictCanonicalJson: true,
  specialCaseAliases: false,
  notificationsLevelChecked: true,
}
const V7: RoomVersion = { ...V6, id: '7', knocking: true }
const V8: RoomVersion = { ...V7, id: '8', restrictedJoins: true, redactionKeepsAllow: true }
const V9: RoomVersion = { ...V8, id: '9', redactionKeepsJoinAuthorisation: true }
const V10: RoomVersion = { ...V9, id: '10', knockRestricted: true, integerPowerLevels: true }
const V11: RoomVersion = {
  ...V10,
  id: '11',
  strictByteLimits: true,
  redactsInContent: true,
  creatorFromSender: true,
  updatedRedactionRules: true,
}
const V12: RoomVersion = {
  ...V11,
  id: '12',
  roomIdIsCreateHash: true,
  privilegedCreators: true,
  createEventIsImplied: true,
  stateResolution: 'v2.1',
}

const VERSIONS: ReadonlyMap<string, RoomVersion> = new Map(
  [V1, V2, V3, V4, V5, V6, V7, V8, V9, V10, V11, V12].map((version) => [version.id, version]),
)

/** Ids of all versions that this server speaks, oldest first. */
export const KNOWN_ROOM_VERSIONS: readonly string[] = [...VERSIONS.keys()]

/** What a new room gets when nobody asks for another (specification v1.16 and later). */
export const DEFAULT_ROOM_VERSION = '12'

/** Undefined for a version that this server does not know: whoever asked has to refuse. */
export function roomVersion(id: string): RoomVersion | undefined {
  return VERSIONS.get(id)
}
