import { parseDuration } from '../config/units.js'

/** One flag of a command, in Go's manner: `-x v`, `-x=v`, `--x v`, `--x=v`; a boolean takes its value only with `=`. */
export interface Flag<T> {
  readonly kind: 'text' | 'boolean' | 'integer' | 'duration'
  readonly initial: T
  /** What it does. A word in `backquotes` names the value in the help. */
  readonly usage: string
  /** Undefined: refused. */
  readonly read: (text: string) => T | undefined
}

export type Flags = Readonly<Record<string, Flag<unknown>>>
export type FlagValues<F extends Flags> = { readonly [Name in keyof F]: F[Name] extends Flag<infer T> ? T : never }

export type ParsedFlags<F extends Flags> =
  | { readonly values: FlagValues<F>; readonly given: ReadonlySet<string>; readonly rest: readonly string[] }
  | { readonly help: true }
  | { readonly error: string }

export function textFlag(usage: string, initial = ''): Flag<string> {
  return { kind: 'text', initial, usage, read: (text) => text }
}

const TRUE = new Set(['1', 't', 'T', 'true', 'TRUE', 'True'])
const FALSE = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False'])

export function booleanFlag(usage: string): Flag<boolean> {
  return {
    kind: 'boolean',
    initial: false,
    usage,
    read: (text) => (TRUE.has(text) ? true : FALSE.has(text) ? false : undefined),
  }
}

export function integerFlag(usage: string, initial: number): Flag<number> {
  const read = (text: string): number | undefined => (/^[+-]?\d{1,15}$/.test(text) ? Number(text) : undefined)
  return { kind: 'integer', initial, usage, read }
}

/** Gives milliseconds. */
export function durationFlag(usage: string, initialMs: number): Flag<number> {
  return { kind: 'duration', initial: initialMs, usage, read: parseDuration }
}

/** Reads flags up to the first argument that is none, or `--`. The last one counts where a flag stands twice. */
export function parseFlags<const F extends Flags>(argv: readonly string[], flags: F): ParsedFlags<F> {
  const values = new Map<string, unknown>(Object.entries(flags).map(([name, flag]) => [name, flag.initial]))
  const given = new Set<string>()
  const finish = (from: number): ParsedFlags<F> => ({
    values: Object.fromEntries(values) as FlagValues<F>,
    given,
    rest: argv.slice(from),
  })
  for (let at = 0; at < argv.length; at++) {
    const argument = argv[at] ?? ''
    if (argument === '--') return finish(at + 1)
    if (!argument.startsWith('-') || argument === '-') return finish(at)
    const match = /^--?([^-=][^=]*)(?:=(.*))?$/s.exec(argument)
    if (match === null) return { error: `bad flag syntax: ${argument}` }
    const name = match[1] ?? ''
    const flag = Object.hasOwn(flags, name) ? flags[name] : undefined
    if (flag === undefined) {
      return name === 'help' || name === 'h' ? { help: true } : { error: `flag provided but not defined: -${name}` }
    }
    let text = match[2]
    if (text === undefined) {
      if (flag.kind === 'boolean') text = 'true'
      else {
        at += 1
        text = argv[at]
        if (text === undefined) return { error: `flag needs an argument: -${name}` }
      }
    }
    const value = flag.read(text)
    // The value may be a secret that was put into the wrong place, so it is not repeated.
    if (value === undefined) return { error: `invalid ${flag.kind} value for flag -${name}` }
    values.set(name, value)
    given.add(name)
  }
  return finish(argv.length)
}

/** The text of `--help`. `usageLine` is the program and its positional arguments. */
export function describeFlags(usageLine: string, summary: string, flags: Flags): string {
  const lines = [`Usage: ${usageLine}`, '', summary]
  const entries = Object.entries(flags).sort(([a], [b]) => (a < b ? -1 : 1))
  if (entries.length > 0) lines.push('', 'Flags (-x and --x are the same; -x=value and -x value too):')
  for (const [name, flag] of entries) {
    const word = /`([^`]+)`/.exec(flag.usage)?.[1] ?? (flag.kind === 'boolean' ? '' : flag.kind)
    const initial = describeInitial(flag)
    lines.push(`  -${name}${word === '' ? '' : ` ${word}`}`, `        ${flag.usage.replaceAll('`', '')}${initial}`)
  }
  return `${lines.join('\n')}\n`
}

function describeInitial(flag: Flag<unknown>): string {
  if (flag.kind === 'boolean' || flag.initial === '') return ''
  if (flag.kind === 'duration') return ` (default ${Number(flag.initial) / 1_000}s)`
  return ` (default ${JSON.stringify(flag.initial)})`
}
