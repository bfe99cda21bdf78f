/** Full text of messages and the user directory, fed from the room log. */
export * from './api.js'
export { createSearch, type SearchDeps } from './search.js'
