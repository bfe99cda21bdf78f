export * from './api.js'
export type { KeyServerDeps } from './context.js'
export { createKeyServer } from './key-server.js'
