export * from './api.js'
export { createUserApi, type UserApiDeps } from './user-api.js'
