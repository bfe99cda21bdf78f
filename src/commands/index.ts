import { checkConfigCommand } from './check-config.js'
import type { Command } from './command.js'
import { createAccountCommand } from './create-account.js'
import { generateConfigCommand } from './generate-config.js'
import { generateKeysCommand } from './generate-keys.js'
import { serveCommand } from './serve.js'
import { upgradeConfigCommand } from './upgrade-config.js'

const ALL: readonly Command[] = [
  serveCommand,
  createAccountCommand,
  generateKeysCommand,
  generateConfigCommand,
  checkConfigCommand,
  upgradeConfigCommand,
]

/** By name; `dendrite` and `dendrite-monolith-server` are what Dendrite calls its server. */
export const COMMANDS: ReadonlyMap<string, Command> = new Map([
  ...ALL.map((command) => [command.name, command] as const),
  ['dendrite', serveCommand],
  ['dendrite-monolith-server', serveCommand],
])

export function helpText(): string {
  const width = Math.max(...ALL.map(({ name }) => name.length))
  const lines = ALL.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`)
  return [
    'Usage: neurite [command] [flags]',
    '',
    'A Matrix homeserver. Without a command it serves.',
    '',
    ...lines,
    '',
    '`neurite <command> --help` lists the flags of a command.',
    '',
  ].join('\n')
}
