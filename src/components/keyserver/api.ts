import type { DeviceId, UserId } from '../../protocol/ids.js'
import type { JsonObject, JsonValue } from '../../protocol/json.js'

/** `keys/query` answer for users of this server. */
export interface QueriedKeys {
  readonly deviceKeys: Map<UserId, Map<DeviceId, JsonObject>>
  readonly masterKeys: Map<UserId, JsonObject>
  readonly selfSigningKeys: Map<UserId, JsonObject>
  /** Only of the one who asks. */
  readonly userSigningKeys: Map<UserId, JsonObject>
}

export interface KeyCounts {
  readonly oneTimeKeys: ReadonlyMap<string, number>
  readonly unusedFallbackKeyAlgorithms: readonly string[]
}

export interface DeviceKeys {
  /**
   * Device keys, one-time keys and fallback keys of one device. Identical uploads are idempotent. At most 500 one-time
   * keys of an algorithm are kept for a device.
   * @throws M_INVALID_PARAM / M_BAD_JSON (wrong user, device, shape), M_UNKNOWN (a one-time key id with other content), M_TOO_LARGE
   */
  uploadKeys(
    userId: UserId,
    deviceId: DeviceId,
    keys: {
      readonly deviceKeys?: JsonObject
      readonly oneTimeKeys?: JsonObject
      readonly fallbackKeys?: JsonObject
    },
  ): Promise<KeyCounts>
  keyCounts(userId: UserId, deviceId: DeviceId): Promise<KeyCounts>
  /** Of users of this server. `viewer` decides on signatures and the user-signing key. Empty device list: all devices. */
  queryKeys(users: ReadonlyMap<UserId, readonly DeviceId[]>, viewer: UserId | undefined): Promise<QueriedKeys>
  /** Each one-time key is given once, oldest upload first; then the fallback key. */
  claimKeys(wanted: ReadonlyMap<UserId, ReadonlyMap<DeviceId, string>>): Promise<Map<UserId, Map<DeviceId, JsonObject>>>
  /**
   * Users among `candidates` whose keys or devices changed in (after, upTo]. At most one statement. `viewer` adds what
   * only they can see: their own user-signing key, and signatures they made on others' keys. Only the last change of
   * each user is kept, so one that changed again after `upTo` is named too: asking for its keys twice does no harm.
   */
  changedBetween(candidates: Iterable<UserId>, after: number, upTo: number, viewer?: UserId): Promise<Set<UserId>>
}

export interface CrossSigning {
  /** Whether a master key exists already: then replacing it needs user-interactive auth (an identical upload does not). */
  crossSigningNeedsAuth(userId: UserId, keys: JsonObject): Promise<boolean>
  /** @throws M_INVALID_SIGNATURE, M_INVALID_PARAM, M_BAD_JSON */
  uploadCrossSigningKeys(userId: UserId, keys: JsonObject): Promise<void>
  /** Returns `failures`: user -> key or device -> error. */
  uploadSignatures(userId: UserId, signatures: JsonObject): Promise<JsonObject>
}

export interface ToDeviceMessage {
  readonly position: number
  /** JSON text `{"sender":..,"type":..,"content":..}` */
  readonly json: string
}

export interface ToDevice {
  /**
   * Queues messages for devices of this server; `*` is every device. One transaction. A repeated transaction id does
   * nothing. @throws M_TOO_LARGE
   */
  sendToDevice(message: {
    readonly sender: UserId
    readonly senderDeviceId: DeviceId
    readonly txnId: string
    readonly type: string
    readonly messages: ReadonlyMap<UserId, ReadonlyMap<DeviceId | '*', JsonObject>>
  }): Promise<void>
  /**
   * Up to `limit` messages in (after, upTo], oldest first. When the page is full, the token given out must not pass
   * the last message of it: acknowledging a token removes everything up to it.
   */
  toDeviceMessages(
    userId: UserId,
    deviceId: DeviceId,
    after: number,
    upTo: number,
    limit: number,
  ): Promise<ToDeviceMessage[]>
  /** The device has come back with a token: what it names is delivered and goes. No statement when there is nothing. */
  acknowledgeToDevice(userId: UserId, deviceId: DeviceId, upTo: number): Promise<void>
}

export interface BackupVersion {
  readonly version: string
  readonly algorithm: string
  readonly authData: JsonValue
  readonly count: number
  readonly etag: string
}

/** Room and session ids are whatever the client calls them. */
export interface BackedUpSession {
  readonly roomId: string
  readonly sessionId: string
  /** The specification's KeyBackupData, whole. */
  readonly data: JsonObject
}

export interface StoredSession {
  readonly roomId: string
  readonly sessionId: string
  /** The KeyBackupData as JSON text: a backup may hold tens of thousands. */
  readonly json: string
}

export interface KeyBackups {
  createBackup(userId: UserId, algorithm: string, authData: JsonValue): Promise<string>
  /** The newest when no version is named. */
  backup(userId: UserId, version?: string): Promise<BackupVersion | undefined>
  /** False: no such version. @throws M_INVALID_PARAM when the algorithm is not that of the version */
  updateBackup(userId: UserId, version: string, algorithm: string, authData: JsonValue): Promise<boolean>
  deleteBackup(userId: UserId, version: string): Promise<boolean>
  /**
   * Stores sessions, keeping the better one of two (is_verified, first_message_index, forwarded_count).
   * @throws M_WRONG_ROOM_KEYS_VERSION with current_version, M_NOT_FOUND
   */
  putBackupKeys(
    userId: UserId,
    version: string,
    sessions: readonly BackedUpSession[],
  ): Promise<{ count: number; etag: string }>
  /** @throws M_NOT_FOUND when there is no such version */
  backupKeys(userId: UserId, version: string, roomId?: string, sessionId?: string): Promise<StoredSession[]>
  /** @throws M_NOT_FOUND when there is no such version */
  deleteBackupKeys(
    userId: UserId,
    version: string,
    roomId?: string,
    sessionId?: string,
  ): Promise<{ count: number; etag: string }>
}

export interface KeyServer extends DeviceKeys, CrossSigning, ToDevice, KeyBackups {
  start(): Promise<void>
  stop(): Promise<void>
}

export const KEY_STREAMS = {
  /** Keyed by the user whose device list or cross-signing keys changed, or that somebody signed. */
  deviceLists: 'device_lists',
  /** Keyed by `user id` + NUL + `device id`. */
  toDevice: 'to_device',
  /** Keyed by `user id` + NUL + `device id`: one-time or fallback key counts changed. */
  keyCounts: 'key_counts',
} as const
