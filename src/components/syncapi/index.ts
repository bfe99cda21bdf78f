/** What clients are told: `/sync`, long polls, and `/keys/changes`. It reads the other components and stores nothing. */
export * from './api.js'
export { createSyncApi, type SyncApiDeps } from './sync-api.js'
