import { hostname, networkInterfaces } from 'node:os'
import type { RuleProblem } from './database-rules.js'
import type { MutableConfig } from './schema.js'

/** What can only be judged when several keys are seen together. `listeners` are bind addresses such as `:8008` or `127.0.0.1:8448`. */
export function checkTogether(config: MutableConfig, listeners: readonly string[]): RuleProblem[] {
  return [...checkKeys(config), ...checkCaptcha(config), ...checkProxy(config, listeners), ...checkLogging(config)]
}

function checkKeys(config: MutableConfig): RuleProblem[] {
  return config.global.old_private_keys.flatMap((key, index) => {
    if (key.private_key !== '' || (key.public_key !== '' && key.key_id !== '')) return []
    const path = ['global', 'old_private_keys', index]
    return [{ path, found: 'a key without its file', allowed: 'private_key, or public_key and key_id' }]
  })
}

function checkCaptcha({ client_api }: MutableConfig): RuleProblem[] {
  if (!client_api.enable_registration_captcha) return []
  return (['recaptcha_public_key', 'recaptcha_private_key'] as const).flatMap((key) => {
    const allowed = 'a key from the captcha service, since enable_registration_captcha is true'
    return client_api[key] === '' ? [{ path: ['client_api', key], found: 'nothing', allowed }] : []
  })
}

/** Federation sent to a listener of this very server would go in a circle. */
function checkProxy(config: MutableConfig, listeners: readonly string[]): RuleProblem[] {
  const { enabled, host, port } = config.federation_api.proxy_outbound
  if (!enabled) return []
  const path = ['federation_api', 'proxy_outbound']
  if (host === '') return [{ path: [...path, 'host'], found: 'nothing', allowed: "the proxy's host" }]
  const ports = listeners.map((listener) => Number(/:(\d+)$/.exec(listener)?.[1] ?? Number.NaN))
  if (!ports.includes(port) || !isOwnHost(host, config.global.server_name)) return []
  return [{ path, found: `${host}:${port}, which is this server itself`, allowed: 'an HTTP proxy, or enabled: false' }]
}

function isOwnHost(host: string, serverName: string): boolean {
  const name = host.toLowerCase().replace(/^\[(.*)\]$/, '$1')
  if (name === 'localhost' || name.endsWith('.localhost') || /^127\./.test(name)) return true
  const own = ['::1', '::', '0.0.0.0', hostname().toLowerCase(), serverName.replace(/:\d+$/, '')]
  const addresses = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address))
  return own.includes(name) || addresses.includes(name)
}

function checkLogging(config: MutableConfig): RuleProblem[] {
  return config.logging.flatMap(({ type, params }, index): RuleProblem[] => {
    const path = ['logging', index, 'params']
    if (type === 'file' && params.path === '') {
      return [{ path: [...path, 'path'], found: 'nothing', allowed: 'the folder for the log files' }]
    }
    if (type === 'syslog' && params.protocol !== '' && params.address === '') {
      return [
        { path: [...path, 'address'], found: 'nothing', allowed: 'host and port of the syslog server, or its socket' },
      ]
    }
    return []
  })
}
