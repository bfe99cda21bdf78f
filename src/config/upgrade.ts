import { parseServerName } from '../protocol/ids.js'
import { ConfigError, type Problem } from './config-error.js'
import { withoutPassword } from './database-rules.js'
import { readConfig } from './load.js'
import { emptyMap, getRaw, isRawMap, type KeyPath, PlainScalar, type RawMap, setRaw, showPath, textOf } from './raw.js'
import { renderYaml, valuesOf } from './render.js'
import { readYaml } from './yaml-file.js'

export interface UpgradedConfig {
  /** A file of version 2 that loads, with a remark above each key that says something else than before. */
  readonly yaml: string
  /** What has no successor or needs a decision, one line each. */
  readonly report: readonly string[]
}

/** Remarks and report of one conversion. */
interface Conversion {
  readonly root: RawMap
  readonly remarks: Map<string, string[]>
  readonly report: string[]
}

/**
 * Converts a file of Dendrite's version 1. `serverName` replaces the file's. Throws ConfigError for a file that cannot be read as one, and for values
 * that version 2 refuses as well.
 */
export function upgradeConfig(
  source: string,
  name: string,
  options: { cwd: string; serverName?: string | undefined },
): UpgradedConfig {
  const file = readYaml(source, name)
  if (!('root' in file)) throw new ConfigError(file)
  const version = textOf(file.root.version)
  if (version !== '1') throw new ConfigError([wrongVersion(name, version)])
  const conversion: Conversion = { root: file.root, remarks: new Map(), report: [] }
  convertServerName(conversion, options.serverName)
  convertDatabase(conversion)
  convertFederation(conversion)
  convertRegistration(conversion)
  dropOldKeys(conversion)
  conversion.root.version = new PlainScalar(2, '2')
  remark(conversion, 'version', 'was 1')
  const { config, warnings } = readConfig(file, name, { env: {}, cwd: options.cwd })
  const yaml = renderYaml(valuesOf(config), { comments: false, remarks: conversion.remarks })
  return {
    yaml: `# Converted from ${name} (version 1). Lines with CHANGED say what differs.\n${yaml}`,
    report: [...conversion.report, ...warnings],
  }
}

function wrongVersion(name: string, version: string | undefined): Problem {
  const found =
    version === '2'
      ? 'version 2 already, which needs no conversion'
      : version === undefined
        ? 'no version'
        : `version ${version}`
  return { place: name, key: 'version', found, allowed: '1' }
}

function remark({ remarks }: Conversion, key: string, text: string): void {
  remarks.set(key, [...(remarks.get(key) ?? []), `CHANGED: ${text}`])
}

/** People leave the placeholder of the sample in. The name cannot be guessed, and `localhost` harms nobody. */
function convertServerName(conversion: Conversion, wanted: string | undefined): void {
  const path = ['global', 'server_name']
  const given = textOf(getRaw(conversion.root, path)) ?? ''
  if (wanted !== undefined) {
    setRaw(conversion.root, path, wanted)
    if (wanted !== given) remark(conversion, 'global.server_name', `was ${JSON.stringify(given)}`)
  } else if (parseServerName(given) === undefined) {
    setRaw(conversion.root, path, 'localhost')
    const what = `${JSON.stringify(given)} is not a server name: put the right one here before the first start, it is for ever`
    remark(conversion, 'global.server_name', what)
    conversion.report.push(`global.server_name: ${what}`)
  }
}

const DATABASES: readonly KeyPath[] = [
  ['room_server', 'database'],
  ['user_api', 'account_database'],
  ['user_api', 'device_database'],
  ['sync_api', 'database'],
  ['media_api', 'database'],
  ['key_server', 'database'],
  ['federation_sender', 'database'],
  ['signing_key_server', 'database'],
  ['app_service_api', 'database'],
  ['mscs', 'database'],
  ['federation_api', 'database'],
]

/** Version 1 has a database per component. The room server's PostgreSQL is taken; SQLite becomes the embedded PostgreSQL. */
function convertDatabase(conversion: Conversion): void {
  const { root, report } = conversion
  const addresses: { path: KeyPath; address: string; max: string | undefined }[] = []
  for (const path of DATABASES) {
    const section = getRaw(root, path)
    if (isRawMap(section)) {
      const address = textOf(section.connection_string)?.trim() ?? ''
      if (address !== '') addresses.push({ path, address, max: textOf(section.max_open_conns) })
    }
    removeAt(root, path)
  }
  const key = 'global.database.connection_string'
  const servers = addresses.filter(({ address }) => !/^file:/i.test(address))
  const files = addresses.filter(({ address }) => /^file:/i.test(address))
  if (files.length > 0) {
    const places = [...new Set(files.map(({ address }) => address))].join(', ')
    report.push(`SQLite (${places}) has no successor: its data is not taken over`)
    if (servers.length === 0)
      remark(conversion, key, 'was SQLite; empty means the embedded PostgreSQL under global.data_dir')
  }
  const [first, ...others] = servers
  if (first === undefined) return
  setRaw(root, ['global', 'database', 'connection_string'], first.address)
  const pool = servers.reduce((sum, { max }) => sum + (max !== undefined && /^\d+$/.test(max) ? Number(max) : 0), 0)
  if (pool > 0) setRaw(root, ['global', 'database', 'max_open_conns'], String(Math.min(90, pool)))
  remark(conversion, key, `one database for everything; this one was ${showPath(first.path)}'s`)
  const different = others.filter(({ address }) => address !== first.address)
  if (different.length > 0) {
    const names = different.map(({ path, address }) => `${showPath(path)} ${withoutPassword(address)}`).join(', ')
    report.push(`${key}: the databases of other components are not used: ${names}`)
  }
}

function convertFederation(conversion: Conversion): void {
  const { root } = conversion
  const sender = root.federation_sender
  if (isRawMap(sender)) {
    for (const key of ['disable_tls_validation', 'proxy_outbound'])
      move(conversion, ['federation_sender', key], ['federation_api', key])
    move(conversion, ['federation_sender', 'send_max_retries'], ['federation_api', 'send_max_retries'])
  }
  for (const key of ['key_perspectives', 'prefer_direct_fetch']) {
    move(conversion, ['signing_key_server', key], ['federation_api', key])
  }
  const proxy = getRaw(root, ['federation_api', 'proxy_outbound'])
  if (isRawMap(proxy) && textOf(proxy.enabled) === 'true' && ['8008', '8448'].includes(textOf(proxy.port) ?? '')) {
    removeAt(root, ['federation_api', 'proxy_outbound'])
    const what = 'federation_sender.proxy_outbound was enabled and names a port of a homeserver; it is left off'
    remark(conversion, 'federation_api.proxy_outbound', what)
    conversion.report.push(what)
  }
}

function move(conversion: Conversion, from: readonly string[], to: readonly string[]): void {
  const value = getRaw(conversion.root, from)
  if (value === undefined || value === null || (getRaw(conversion.root, to) ?? null) !== null) return
  removeAt(conversion.root, from)
  if (setRaw(conversion.root, to, value)) remark(conversion, to.join('.'), `was ${from.join('.')}`)
}

/** Version 1 opened registration by itself; today a server with nothing in front of it does not start without a flag. */
function convertRegistration(conversion: Conversion): void {
  const api = conversion.root.client_api
  if (!isRawMap(api)) return
  const off = ['false', 'no', 'off', '']
  const isOff = (key: string): boolean => off.includes(textOf(api[key])?.toLowerCase() ?? '')
  if (
    api.registration_disabled === undefined ||
    !isOff('registration_disabled') ||
    !isOff('enable_registration_captcha')
  )
    return
  api.registration_disabled = new PlainScalar(true, 'true')
  const what = 'was false: open registration now takes false here and the flag -really-enable-open-registration'
  remark(conversion, 'client_api.registration_disabled', what)
  conversion.report.push(`client_api.registration_disabled ${what}`)
}

/** What version 2 has no place for. */
function dropOldKeys({ root, report }: Conversion): void {
  const kafka = getRaw(root, ['global', 'kafka'])
  if (kafka !== undefined) {
    removeAt(root, ['global', 'kafka'])
    const naffka = isRawMap(kafka) && textOf(kafka.use_naffka) === 'true' ? 'Naffka' : 'Kafka'
    report.push(`global.kafka (${naffka}) has no successor: queues are in PostgreSQL`)
  }
  const listeners: string[] = []
  for (const [name, section] of Object.entries(root)) {
    if (!isRawMap(section)) continue
    for (const key of ['internal_api', 'external_api']) {
      if (section[key] === undefined) continue
      delete section[key]
      listeners.push(`${name}.${key}`)
    }
  }
  if (listeners.length > 0) {
    report.push(
      `internal and external listen addresses have no successor, there is one process: ${listeners.join(', ')}; see -http-bind-address`,
    )
  }
  for (const name of ['edu_server', 'federation_sender', 'signing_key_server']) {
    const rest = root[name]
    delete root[name]
    const keys = Object.keys(isRawMap(rest) ? rest : emptyMap())
    if (keys.length > 0) report.push(`${name}: no successor for ${keys.join(', ')}`)
  }
}

function removeAt(root: RawMap, path: KeyPath): void {
  const section = getRaw(root, path.slice(0, -1))
  const last = path.at(-1)
  if (isRawMap(section) && last !== undefined) delete section[last]
}
