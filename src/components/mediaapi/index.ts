export * from './api.js'
export { createMediaApi, type MediaApiDeps } from './media-api.js'
