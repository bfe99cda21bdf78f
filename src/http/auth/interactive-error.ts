import type { JsonObject } from '../../protocol/json.js'

/** The 401 that asks for (more) user-interactive authentication. Its body has no `errcode` before something has failed. */
export class InteractiveAuthRequired extends Error {
  override name = 'InteractiveAuthRequired'
  readonly body: JsonObject

  constructor(body: JsonObject) {
    super('user-interactive authentication is required')
    this.body = body
  }
}
