import { createHash, timingSafeEqual } from 'node:crypto'
import type { Config } from '../../config/schema.js'
import { createNetworkPolicy } from '../../platform/denied-networks.js'
import { createHttpClient, OutboundFailure } from '../../platform/http-client.js'
import type { Log } from '../../platform/log.js'
import { getValue, isJsonObject, JsonError, type JsonValue, parseJson } from '../../protocol/json.js'

/** The captcha of registration (`m.login.recaptcha`): Google's, or one that answers in the same way, such as hCaptcha. */
export interface Captcha {
  readonly publicKey: string
  /** For the page: where its script is, the name of its field, and the class of its element. */
  readonly scriptUrl: string
  readonly formField: string
  readonly elementClass: string
  /** Whether the service knows the answer as that of a person. False when the service cannot be reached. */
  verify(response: string, clientAddress: string): Promise<boolean>
  close(): Promise<void>
}

const DEADLINE_MS = 10_000
const MOST_BYTES = 65_536
const LONGEST_RESPONSE = 16_384

/** Undefined: registration takes none. */
export function createCaptcha(config: Config['client_api'], userAgent: string, log: Log): Captcha | undefined {
  if (!config.enable_registration_captcha) return undefined
  // The address is the operator's own choice.
  const client = createHttpClient({ policy: createNetworkPolicy([], []), userAgent })

  const ask = async (response: string, remoteip: string): Promise<boolean> => {
    const answer = await client.request({
      method: 'POST',
      url: config.recaptcha_siteverify_api,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ secret: config.recaptcha_private_key, response, remoteip }).toString(),
      deadlineMs: DEADLINE_MS,
      maxBytes: MOST_BYTES,
    })
    const body: JsonValue = parseJson(answer.body)
    return isJsonObject(body) && getValue(body, 'success') === true
  }

  return {
    publicKey: config.recaptcha_public_key,
    scriptUrl: config.recaptcha_api_js_url,
    formField: config.recaptcha_form_field,
    elementClass: config.recaptcha_sitekey_class,
    async verify(response, clientAddress) {
      if (response === '' || response.length > LONGEST_RESPONSE) return false
      if (config.recaptcha_bypass_secret !== '' && isSame(response, config.recaptcha_bypass_secret)) return true
      try {
        return await ask(response, clientAddress)
      } catch (error) {
        if (!(error instanceof OutboundFailure || error instanceof JsonError)) throw error
        log.warn({ err: error }, 'the captcha service gave no answer')
        return false
      }
    },
    close: () => client.close(),
  }
}

function isSame(a: string, b: string): boolean {
  const hash = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(hash(a), hash(b))
}
