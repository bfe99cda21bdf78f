export * from './api.js'
export { createPushServer, type PushServerDeps } from './push-server.js'
