import { ConfigError } from '../config/config-error.js'
import type { Environment } from '../config/environment.js'
import { processEnvironment } from '../config/load.js'
import { describeFlags, type Flags, type FlagValues, parseFlags } from './flags.js'

export interface Output {
  write(text: string): unknown
}

/** What a command is run with. */
export interface CommandContext {
  /** Without the program's and the command's name. */
  readonly argv: readonly string[]
  readonly stdout: Output
  readonly stderr: Output
  /** Standard input, where the command may read a secret or ask for one. */
  readonly stdin?: NodeJS.ReadableStream
  /** The process's own where it is absent. */
  readonly env?: Environment
  readonly cwd: string
}

/** One command of the program. `run` gives the exit code: 0 done, 1 failed, 2 wrong usage. */
export interface Command {
  readonly name: string
  /** One line. */
  readonly summary: string
  readonly flags: Flags
  run(context: CommandContext): Promise<number>
}

/** The context of a command whose flags have been read. */
export interface Invocation<F extends Flags> extends CommandContext {
  readonly env: Environment
  readonly values: FlagValues<F>
  /** Names of the flags that were given, to tell a default from the same value. */
  readonly given: ReadonlySet<string>
  /** Positional arguments. */
  readonly rest: readonly string[]
}

/** What a command throws to end with a message and exit code 1. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed'
}

interface Definition<F extends Flags> {
  readonly name: string
  readonly summary: string
  /** Shown in the usage line; a command without it takes no positional arguments. */
  readonly positional?: string
  readonly flags: F
  execute(invocation: Invocation<F>): Promise<number>
}

/** Makes a command that reads its flags, answers `--help`, and turns ConfigError and CommandFailed into a message and exit code 1. */
export function defineCommand<const F extends Flags>(definition: Definition<F>): Command {
  const { name, summary, positional, flags } = definition
  return { name, summary, flags, run }

  async function run(context: CommandContext): Promise<number> {
    const parsed = parseFlags(context.argv, flags)
    const usageLine = `neurite ${name} [flags]${positional === undefined ? '' : ` ${positional}`}`
    if ('help' in parsed) {
      context.stdout.write(describeFlags(usageLine, summary, flags))
      return 0
    }
    const misuse = (error: string): number => {
      context.stderr.write(`${error}\nUsage: ${usageLine}\n\`neurite ${name} --help\` lists the flags.\n`)
      return 2
    }
    if ('error' in parsed) return misuse(parsed.error)
    if (positional === undefined && parsed.rest.length > 0) return misuse(`unexpected argument: ${parsed.rest[0]}`)
    try {
      return await definition.execute({ ...context, env: context.env ?? processEnvironment(), ...parsed })
    } catch (error) {
      if (!(error instanceof ConfigError || error instanceof CommandFailed)) throw error
      context.stderr.write(`${error.message}\n`)
      return 1
    }
  }
}
