#!/usr/bin/env node
import './commands/young-heap.js'
import { basename } from 'node:path'

// Not a static import: all of those are loaded before the first of them runs.
const { COMMANDS, helpText } = await import('./commands/index.js')

/** The program is all commands in one; it answers to Dendrite's names, too (`dendrite`, `create-account`, ...). */
const [, program = '', ...args] = process.argv
const called = basename(program).replace(/\.js$/, '')
const ownName = COMMANDS.get(called)
const named = ownName === undefined && args[0] !== undefined ? COMMANDS.get(args[0]) : undefined
const command = ownName ?? named ?? COMMANDS.get('serve')
const argv = named === undefined ? args : args.slice(1)
const wantsHelp = ownName === undefined && named === undefined && /^(help|-h|--?help)$/.test(args[0] ?? '')
const isWord = ownName === undefined && named === undefined && args[0] !== undefined && !args[0].startsWith('-')

if (wantsHelp) {
  process.stdout.write(helpText())
} else if (command === undefined || isWord) {
  process.stderr.write(`neurite: there is no command ${args[0]}\n\n${helpText()}`)
  process.exitCode = 2
} else {
  const { stdout, stderr, stdin } = process
  process.exitCode = await command.run({ argv, stdout, stderr, stdin, cwd: process.cwd() })
}
