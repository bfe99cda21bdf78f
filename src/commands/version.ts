import { readFileSync } from 'node:fs'

/** From package.json, which is beside `dist` as it is beside `src`. */
export const VERSION: string = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
).version
