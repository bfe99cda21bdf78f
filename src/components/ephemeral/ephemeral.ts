import type { Ephemeral } from './api.js'
import type { EphemeralDeps } from './context.js'
import { createPresence } from './presence.js'
import { createReceipts } from './receipts.js'
import { createTyping } from './typing.js'

/** Typing, receipts and presence. */
export function createEphemeral(deps: EphemeralDeps): Ephemeral {
  const typing = createTyping(deps)
  const presence = createPresence(deps)
  return {
    ...createReceipts(deps),
    ...presence,
    setTyping: typing.setTyping,
    typingBetween: typing.typingBetween,
    async stop() {
      typing.stop()
      await presence.stop()
    },
  }
}
