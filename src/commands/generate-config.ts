import { isAbsolute, join } from 'node:path'
import { parseConnectionString } from '../config/database-target.js'
import { readConfigText, readSource } from '../config/load.js'
import { renderYaml, sampleValues, valuesOf, type YamlTree } from '../config/render.js'
import { CommandFailed, defineCommand } from './command.js'
import { booleanFlag, textFlag } from './flags.js'

/** Writes a configuration file to standard output, in the way of Dendrite's command of that name. */
export const generateConfigCommand = defineCommand({
  name: 'generate-config',
  summary: 'Writes a configuration file to standard output.',
  flags: {
    server: textFlag('The server `name`, the part after the colon in user addresses.', 'localhost'),
    db: textFlag('The PostgreSQL `address`; without it the server runs a PostgreSQL of its own.'),
    dir: textFlag('The `folder` for keys, media and data.', './'),
    ci: booleanFlag(
      'For automatic tests only: everybody may register, no limits, no denied networks, a well-known secret.',
    ),
    normalise: textFlag('Instead of a new file: reads this `file` and writes all that it says, with the defaults.'),
  },
  async execute({ values, cwd, env, stdout, stderr }) {
    const { server, db, dir, ci, normalise } = values
    if (normalise !== '') {
      const { config, warnings } = readConfigText(readSource(normalise, cwd), normalise, cwd)
      for (const warning of warnings) stderr.write(`warning: ${warning}\n`)
      stdout.write(renderYaml(valuesOf(config), { comments: false }))
      return 0
    }
    if (db !== '') {
      const parsed = parseConnectionString(db, env)
      if (typeof parsed === 'string')
        throw new CommandFailed(`-db: this is ${parsed}; it has to be the address of a PostgreSQL database`)
    }
    const tree = newConfig(server, db, dir)
    const yaml = renderYaml(ci ? forTests(tree, dir) : tree, { comments: !ci })
    // What cannot be loaded is not handed out: a wrong server name shows here, not at the first start.
    readConfigText(yaml, 'generated configuration', cwd)
    stdout.write(yaml)
    return 0
  },
})

function newConfig(server: string, db: string, dir: string): YamlTree {
  const tree = sampleValues()
  set(tree, 'global.server_name', server)
  set(tree, 'global.private_key', inFolder(dir, 'matrix_key.pem'))
  set(tree, 'global.data_dir', inFolder(dir, 'data'))
  set(tree, 'global.database.connection_string', db)
  set(tree, 'media_api.base_path', inFolder(dir, 'media'))
  return tree
}

/** What conformance suites need: servers on loopback, thousands of accounts, no waiting. SyTest knows room versions up to 11. */
function forTests(tree: YamlTree, dir: string): YamlTree {
  set(tree, 'global.presence.enable_inbound', true)
  set(tree, 'global.presence.enable_outbound', true)
  set(tree, 'app_service_api.disable_tls_validation', true)
  set(tree, 'client_api.registration_disabled', false)
  set(tree, 'client_api.registration_shared_secret', 'complement')
  set(tree, 'client_api.guests_disabled', false)
  set(tree, 'client_api.rate_limiting.enabled', false)
  set(tree, 'federation_api.disable_http_keepalives', true)
  set(tree, 'federation_api.key_perspectives', [])
  set(tree, 'federation_api.deny_networks', [])
  set(tree, 'room_server.default_room_version', '10')
  set(tree, 'sync_api.search.enabled', true)
  set(tree, 'sync_api.search.index_path', inFolder(dir, 'searchindex'))
  set(tree, 'user_api.bcrypt_cost', 4)
  set(tree, 'logging', [{ type: 'std', level: 'trace' }])
  return tree
}

function inFolder(dir: string, name: string): string {
  const path = join(dir, name)
  return isAbsolute(path) || path.startsWith('.') ? path : `./${path}`
}

function set(tree: YamlTree, key: string, value: unknown): void {
  const steps = key.split('.')
  const last = steps.pop() ?? ''
  let at = tree
  for (const step of steps) at = at[step] as YamlTree
  at[last] = value
}
