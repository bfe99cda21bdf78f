import { databaseTarget } from '../config/database-target.js'
import { loadConfig } from '../config/load.js'
import { defineCommand } from './command.js'
import { textFlag } from './flags.js'

/** Says everything that is wrong with a configuration, or remarkable about it. */
export const checkConfigCommand = defineCommand({
  name: 'check-config',
  summary: 'Checks a configuration file and the environment: prints errors and remarks, exits with 0 or 1.',
  flags: {
    config: textFlag('The configuration `file`; dendrite.yaml in the working directory where it is not given.'),
  },
  async execute({ values, cwd, env, stdout }) {
    const loaded = loadConfig({ file: values.config === '' ? undefined : values.config, env, cwd })
    for (const warning of loaded.warnings) stdout.write(`warning: ${warning}\n`)
    for (const notice of loaded.notices) stdout.write(`note: ${notice}\n`)
    const target = databaseTarget(loaded.config, env)
    const database = target.kind === 'embedded' ? `embedded, in ${target.dataDir}` : target.display
    stdout.write(
      `${loaded.file ?? 'no file'}: fine; server ${loaded.config.global.server_name}, database ${database}\n`,
    )
    return 0
  },
})
