export * from './api.js'
export type { EphemeralDeps } from './context.js'
export { createEphemeral } from './ephemeral.js'
