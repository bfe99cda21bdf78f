export * from './api.js'
export type { FederationClientDeps, Surroundings } from './context.js'
export { clientError, FederationFailure, type FederationReason } from './failure.js'
export { createFederationClient } from './federation-client.js'
