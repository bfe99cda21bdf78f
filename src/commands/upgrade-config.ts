import { readSource } from '../config/load.js'
import { upgradeConfig } from '../config/upgrade.js'
import { CommandFailed, defineCommand } from './command.js'
import { textFlag } from './flags.js'

/** Converts a configuration of Dendrite's version 1: the new file to standard output, what has no successor to standard error. */
export const upgradeConfigCommand = defineCommand({
  name: 'upgrade-config',
  summary: 'Converts a version 1 file: the new one to standard output, what has no successor to standard error.',
  positional: 'old.yaml > new.yaml',
  flags: {
    server: textFlag('The server `name` to write instead of the one in the file.'),
  },
  async execute({ values, rest, cwd, stdout, stderr }) {
    const [name, ...more] = rest
    if (name === undefined || more.length > 0)
      throw new CommandFailed('upgrade-config takes one file: upgrade-config old.yaml > new.yaml')
    const { yaml, report } = upgradeConfig(readSource(name, cwd), name, { cwd, serverName: values.server || undefined })
    for (const line of report) stderr.write(`${line}\n`)
    stdout.write(yaml)
    return 0
  },
})
