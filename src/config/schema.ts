import type * as z from 'zod'
import { integer, section } from './fields.js'
import { clientApiSection } from './sections/client-api.js'
import { federationApiSection } from './sections/federation-api.js'
import { globalSection, loggingSection } from './sections/global.js'
import { mediaApiSection } from './sections/media-api.js'
import {
  appServiceApiSection,
  keyServerSection,
  mscsSection,
  relayApiSection,
  roomServerSection,
  syncApiSection,
  tracingSection,
  userApiSection,
} from './sections/others.js'

export { clientApiSection } from './sections/client-api.js'
export { DEFAULT_DENY_NETWORKS, federationApiSection } from './sections/federation-api.js'
export { globalSection, loggingSection } from './sections/global.js'
export { mediaApiSection } from './sections/media-api.js'
export * from './sections/others.js'

/**
 * The whole file: Dendrite's version 2. The single source of types, defaults and documentation; keys keep the file's names.
 * Durations are milliseconds, sizes bytes, paths absolute once loaded.
 */
export const configSchema = section("Dendrite's configuration file, version 2.", {
  version: integer(2, 'The version of this format: 2.', { min: 2, max: 2 }),
  global: globalSection,
  app_service_api: appServiceApiSection,
  client_api: clientApiSection,
  federation_api: federationApiSection,
  key_server: keyServerSection,
  media_api: mediaApiSection,
  mscs: mscsSection,
  relay_api: relayApiSection,
  room_server: roomServerSection,
  sync_api: syncApiSection,
  user_api: userApiSection,
  tracing: tracingSection,
  logging: loggingSection,
})

type DeepReadonly<T> = T extends string | number | boolean | null | undefined
  ? T
  : T extends readonly (infer Item)[]
    ? readonly DeepReadonly<Item>[]
    : T extends object
      ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
      : T

/** As validated, before paths are absolute and the object is frozen. */
export type MutableConfig = z.output<typeof configSchema>
export type Config = DeepReadonly<MutableConfig>
export type GlobalConfig = Config['global']
export type ClientApiConfig = Config['client_api']
export type RateLimitingConfig = ClientApiConfig['rate_limiting']
export type TurnConfig = ClientApiConfig['turn']
export type FederationApiConfig = Config['federation_api']
export type MediaApiConfig = Config['media_api']
export type RoomServerConfig = Config['room_server']
export type SyncApiConfig = Config['sync_api']
export type UserApiConfig = Config['user_api']
export type AppServiceApiConfig = Config['app_service_api']
export type LoggingConfig = Config['logging']
