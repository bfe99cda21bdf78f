import type { DeviceId, RoomId, ServerName, UserId } from '../../protocol/ids.js'
import type { JsonObject, JsonValue } from '../../protocol/json.js'

/** Dendrite's account types: numbers are what its database and admin API use. */
export type AccountType = 'user' | 'guest' | 'admin' | 'appservice'

export interface Account {
  readonly userId: UserId
  readonly type: AccountType
  readonly createdTs: number
  readonly deactivated: boolean
  readonly locked: boolean
  readonly suspended: boolean
  readonly hasPassword: boolean
  readonly appserviceId: string | undefined
}

/** Who makes a request: what a valid access token stands for. */
export interface Requester {
  readonly userId: UserId
  readonly deviceId: DeviceId
  readonly accountType: AccountType
  readonly suspended: boolean
  readonly locked: boolean
  /** Identifies the login across token refreshes. */
  readonly sessionId: number
}

export interface Device {
  readonly deviceId: DeviceId
  readonly displayName: string | undefined
  readonly lastSeenTs: number | undefined
  readonly lastSeenIp: string | undefined
  readonly lastSeenUserAgent: string | undefined
}

export interface NewLogin {
  readonly userId: UserId
  /** Reuses the device of that id (its old tokens end), else makes a new one. */
  readonly deviceId?: string
  readonly initialDeviceDisplayName?: string
  readonly clientAddress?: string
  readonly userAgent?: string
  /** The access token expires and comes with a refresh token. */
  readonly refreshable?: boolean
}

/** What `refresh` hands out. Shown once; only hashes are stored. */
export interface TokenPair {
  readonly accessToken: string
  readonly refreshToken: string
  readonly expiresInMs: number
}

export interface Login {
  readonly userId: UserId
  readonly deviceId: DeviceId
  /** 256 bits, shown once; only its hash is stored. */
  readonly accessToken: string
  /** Of a login that was to be refreshable, together with `expiresInMs`. */
  readonly refreshToken?: string
  readonly expiresInMs?: number
}

export interface Accounts {
  account(userId: UserId): Promise<Account | undefined>
  /** @throws MatrixError M_USER_IN_USE, M_INVALID_USERNAME, M_EXCLUSIVE, M_FORBIDDEN (registration token used up) */
  createAccount(account: {
    readonly userId: UserId
    readonly password?: string
    /** Instead of `password`: what `hashPassword` has made of it. */
    readonly passwordHash?: string
    /** Counted as used together with the account, or there is no account. */
    readonly registrationToken?: string
    readonly type: AccountType
    readonly appserviceId?: string
    readonly displayName?: string
  }): Promise<Account>
  isAvailable(userId: UserId): Promise<boolean>
  /** Constant time whether the account exists or not; rate limiting is the caller's. False for a deactivated one. */
  checkPassword(userId: UserId, password: string): Promise<boolean>
  setPassword(userId: UserId, password: string): Promise<void>
  /** What may be kept of a password while a registration is under way. */
  hashPassword(password: string): Promise<string>
  /** A locked account can do nothing but log out (CS "Account locking"). @throws MatrixError M_NOT_FOUND */
  setLocked(userId: UserId, locked: boolean): Promise<void>
  /** A suspended account can read (CS "Account suspension"). @throws MatrixError M_NOT_FOUND */
  setSuspended(userId: UserId, suspended: boolean): Promise<void>
  setAccountType(userId: UserId, type: AccountType): Promise<void>
  /** Ends every login, forgets password and profile where `erase`; leaving rooms is the workflow's. */
  deactivate(userId: UserId, options: { readonly erase: boolean }): Promise<void>
  /** Deactivated accounts whose rooms have not all been left yet: to be continued after a crash. */
  unfinishedDeactivations(): Promise<UserId[]>
  /** Its rooms have been left. */
  finishDeactivation(userId: UserId): Promise<void>
  /** Which of these are accounts of this server that are not deactivated. */
  existing(userIds: readonly UserId[]): Promise<Set<UserId>>
}

export interface Logins {
  login(login: NewLogin): Promise<Login>
  /** From memory when known. Undefined: unknown or ended token. @throws MatrixError M_UNKNOWN_TOKEN with `soft_logout`: expired */
  requester(accessToken: string): Promise<Requester | undefined>
  /** Records address, agent and time of a device's use; kept in memory and written in the background in batches. */
  seen(requester: Requester, clientAddress: string, userAgent: string | undefined): void
  devices(userId: UserId): Promise<Device[]>
  /** The devices of many users. One statement. Users without devices are left out. */
  devicesOf(userIds: readonly UserId[]): Promise<Map<UserId, Device[]>>
  device(userId: UserId, deviceId: string): Promise<Device | undefined>
  renameDevice(userId: UserId, deviceId: string, displayName: string | undefined): Promise<boolean>
  /** Ends the logins of these devices and announces them on the stream `devices`, so that keys go too. */
  deleteDevices(userId: UserId, deviceIds: readonly string[]): Promise<void>
  /** Ends every login but the one to keep. Returns the devices that are gone. */
  deleteAllDevices(userId: UserId, keep?: string): Promise<DeviceId[]>
}

export interface Refreshing {
  /**
   * A new pair for the session. The old refresh token is good until one of the new pair is used.
   * @throws MatrixError M_UNKNOWN_TOKEN, M_USER_LOCKED
   */
  refresh(refreshToken: string): Promise<TokenPair>
}

export interface PurposeToken {
  readonly token: string
  readonly expiresInMs: number
}

/** Tokens that are good for one thing only. */
export interface PurposeTokens {
  /** For one `m.login.token` login within two minutes. */
  newLoginToken(userId: UserId): Promise<PurposeToken>
  /** Whom it lets in, once. Undefined: unknown, used or expired. */
  useLoginToken(token: string): Promise<UserId | undefined>
  /** With which another service learns who somebody is (CS "OpenID"). */
  newOpenIdToken(userId: UserId): Promise<PurposeToken>
  /** For the federation's `openid/userinfo`. Undefined: unknown or expired, or its account is deactivated. */
  openIdUser(token: string): Promise<UserId | undefined>
}

export interface RegistrationToken {
  readonly token: string
  /** Undefined: as often as anybody likes. */
  readonly usesAllowed: number | undefined
  readonly completed: number
  /** In ms; undefined: never. */
  readonly expiresTs: number | undefined
}

export interface RegistrationTokens {
  /** Undefined: there is one of that name. */
  createRegistrationToken(token: Omit<RegistrationToken, 'completed'>): Promise<RegistrationToken | undefined>
  registrationTokens(): Promise<RegistrationToken[]>
  registrationToken(token: string): Promise<RegistrationToken | undefined>
  /** An absent field stays, `null` takes the limit away. Undefined: there is no such token. */
  changeRegistrationToken(
    token: string,
    change: { readonly usesAllowed?: number | null | undefined; readonly expiresTs?: number | null | undefined },
  ): Promise<RegistrationToken | undefined>
  deleteRegistrationToken(token: string): Promise<boolean>
  /** One more account could be made with it now. */
  isRegistrationTokenValid(token: string): Promise<boolean>
}

export interface Profiles {
  /** All fields: displayname, avatar_url, m.tz, custom ones. Undefined: no such account here. */
  profile(userId: UserId): Promise<JsonObject | undefined>
  profiles(userIds: readonly UserId[]): Promise<Map<UserId, JsonObject>>
  /** Undefined removes the field. @throws M_TOO_LARGE, M_PROFILE_TOO_LARGE, M_KEY_TOO_LARGE */
  setProfileField(userId: UserId, field: string, value: JsonValue | undefined): Promise<void>
}

export interface AccountDataEntry {
  /** Undefined: global. */
  readonly roomId: RoomId | undefined
  readonly type: string
  /** The content as the client sent it, as JSON text. */
  readonly content: string
  readonly position: number
}

export interface AccountDataStore {
  accountData(userId: UserId, roomId: RoomId | undefined, type: string): Promise<AccountDataEntry | undefined>
  /** Changed in (after, upTo]; everything when `after` is 0. One statement. */
  accountDataBetween(userId: UserId, after: number, upTo: number): Promise<AccountDataEntry[]>
  /** Returns its position. `content` is JSON text of an object. @throws M_TOO_LARGE */
  setAccountData(userId: UserId, roomId: RoomId | undefined, type: string, content: string): Promise<number>
  /** Read-modify-write without losing a concurrent one. `change` gets the present content (`{}` when there is none). */
  updateAccountData(
    userId: UserId,
    roomId: RoomId | undefined,
    type: string,
    change: (content: JsonObject) => JsonObject | undefined,
  ): Promise<void>
  /** From m.ignored_user_list; in memory for users who sync. */
  ignoredUsers(userId: UserId): Promise<ReadonlySet<UserId>>
  /** Those among `userIds` who ignore `sender`. At most one statement. */
  ignoring(userIds: readonly UserId[], sender: UserId): Promise<Set<UserId>>
  /** Those among `userIds` who have this kind of account data in the room or globally (push rules): one statement. */
  accountDataOf(userIds: readonly UserId[], type: string): Promise<Map<UserId, string>>
}

export interface Filters {
  /** The same filter gets the same id. @throws M_TOO_LARGE */
  saveFilter(userId: UserId, filter: string): Promise<string>
  filter(userId: UserId, filterId: string): Promise<string | undefined>
}

export interface UserApi
  extends Accounts,
    Logins,
    Refreshing,
    PurposeTokens,
    RegistrationTokens,
    Profiles,
    AccountDataStore,
    Filters {
  readonly serverName: ServerName
  /** True for a user id of this server, whether an account exists or not. */
  isLocal(userId: UserId): boolean
  start(): Promise<void>
  stop(): Promise<void>
}

/** Streams of the change feed that this component writes. */
export const USER_STREAMS = {
  /** Keyed by user id: global or room account data. */
  accountData: 'account_data',
  /** Keyed by user id: a device was added, renamed or deleted. */
  devices: 'devices',
} as const
