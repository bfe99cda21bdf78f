import type { ServerName } from '../../protocol/ids.js'
import type { JsonObject } from '../../protocol/json.js'

export type FederationMethod = 'GET' | 'POST' | 'PUT' | 'DELETE'

export interface FederationRequest {
  readonly destination: ServerName
  readonly method: FederationMethod
  /** Path and query, encoded: `/_matrix/federation/v1/event/%24abc`. */
  readonly path: string
  /** Sent, and signed, in canonical form. */
  readonly body?: JsonObject
  /** For all of it: discovery, connecting, waiting, reading. 60 s unless told. */
  readonly deadlineMs?: number
  /** Of the answer's body. 10 MiB unless told: what may be larger is asked for with `stream`. */
  readonly maxBytes?: number
  /**
   * True: asked even while the destination is left alone after failures. For what a person waits for, and for answers to
   * a server that is speaking to us.
   */
  readonly evenIfFailing?: boolean
  /** False leaves the Authorization header away: key and version requests. */
  readonly signed?: boolean
  readonly signal?: AbortSignal
}

/** An answer of status 200 whose body has not been read. It ends (throws FederationFailure) at the cap and at the deadline. */
export interface FederationStream {
  readonly headers: ReadonlyMap<string, string>
  /** Has to be read to its end, or ended early (`return`). */
  readonly body: AsyncIterable<Buffer>
}

/** What a signature is good for depends on when, and for what, it was made. */
export type SignatureUse =
  /** A request that has just come: keys in use only, none of those in `old_verify_keys`. */
  | { readonly kind: 'request' }
  /**
   * An event. `at` is its `origin_server_ts`; undefined in room versions 1 to 4, which do not look at the validity of keys
   * (`RoomVersion.enforceKeyValidity`).
   */
  | { readonly kind: 'event'; readonly at: number | undefined }

export interface SignatureCheck {
  readonly server: ServerName
  /** What has been signed: canonical JSON. */
  readonly text: string
  /** The signatures of that server in base64, by key id: `signaturesOf`, `eventSignatures`. */
  readonly signatures: ReadonlyMap<string, string>
  readonly use: SignatureUse
}

export type SignatureVerdict =
  /** One of the signatures is right, by a key that was valid. */
  | 'valid'
  /** Its keys are known, and none of the signatures is right by a key that was valid. */
  | 'invalid'
  /** The keys it names could not be had from anybody: it may be tried again later. */
  | 'unknown-key'
  /** There is no signature of that server. */
  | 'unsigned'

export interface KeyQuery {
  readonly server: ServerName
  /** Key ids with the time until which the answer should be valid; empty: all keys of the server. */
  readonly keys: ReadonlyMap<string, number | undefined>
  /** For `keys` that name no time of their own. Now unless told. */
  readonly minimumValidUntil?: number
}

/** Keys of servers: which are known, where others are had from, and what they have signed. */
export interface KeyRing {
  /**
   * Verdicts in the order of the checks. Keys that are missing are fetched together, each server once at a time; signatures are
   * verified on the thread pool. Never rejects for what a remote has done.
   */
  verify(checks: readonly SignatureCheck[]): Promise<SignatureVerdict[]>
  /** SS "Publishing Keys": the answer of `GET /_matrix/key/v2/server`, signed. */
  published(): JsonObject
  /** SS "Querying Keys Through Another Server": what servers have said of their keys, signed by us as well. */
  notarised(queries: readonly KeyQuery[]): Promise<JsonObject[]>
}

/**
 * The one door out to other servers. Everything that goes to another homeserver passes here: discovery, signing, back-off,
 * limits. What it throws is a FederationFailure; `clientError` makes of it what a client is told.
 */
export interface FederationClient {
  /** False: `global.disable_federation`; every request fails with the reason `disabled`. */
  readonly enabled: boolean
  readonly keys: KeyRing
  /**
   * Signs and sends a request and gives back the JSON object it was answered with. Parsing takes the event loop about 10 ms a
   * megabyte. @throws FederationFailure
   */
  request(request: FederationRequest): Promise<JsonObject>
  /** The same for answers that are read as they come: `send_join`, `state`. @throws FederationFailure */
  stream(request: FederationRequest): Promise<FederationStream>
  /** Milliseconds since 1970 when it may be asked again; `Infinity`: not before it speaks to us; 0: now. */
  retryAt(destination: ServerName): Promise<number>
  /** A request of that server has been authenticated: it is there, and is no longer left alone. */
  heardFrom(server: ServerName): void
  /** Called when a server that was left alone has answered or spoken to us. Returns the way to stop. */
  onRecovered(listener: (server: ServerName) => void): () => void
  stop(): Promise<void>
}
