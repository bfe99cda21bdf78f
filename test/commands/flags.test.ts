import { describe, expect, it } from 'vitest'
import { defineCommand } from '../../src/commands/command.js'
import { booleanFlag, durationFlag, integerFlag, parseFlags, textFlag } from '../../src/commands/flags.js'
import { run } from '../config/support.js'

const flags = {
  config: textFlag('The `file`.', 'dendrite.yaml'),
  admin: booleanFlag('An administrator.'),
  port: integerFlag('The port.', 8008),
  timeout: durationFlag('How long.', 30_000),
}

const values = (...argv: string[]): unknown => {
  const parsed = parseFlags(argv, flags)
  return 'values' in parsed ? { ...parsed.values, rest: parsed.rest } : parsed
}

describe('flags in the manner of Go', () => {
  const initial = { config: 'dendrite.yaml', admin: false, port: 8008, timeout: 30_000, rest: [] }

  it.each([['-config', 'a'], ['--config', 'a'], ['-config=a'], ['--config=a']])('%s %s', (...argv) => {
    expect(values(...argv.filter((one) => one !== undefined))).toEqual({ ...initial, config: 'a' })
  })

  it('a boolean takes a value only with an equals sign', () => {
    expect(values('-admin', 'false')).toEqual({ ...initial, admin: true, rest: ['false'] })
    expect(values('-admin=false')).toEqual(initial)
    expect(values('--admin=T')).toEqual({ ...initial, admin: true })
  })

  it('numbers, durations and empty values are read', () => {
    expect(values('-port', '-1', '-timeout=1m', '-config=')).toEqual({
      ...initial,
      port: -1,
      timeout: 60_000,
      config: '',
    })
    expect(values('-config', '-x=y')).toEqual({ ...initial, config: '-x=y' })
  })

  it('reading stops at the first argument that is no flag, and after two dashes', () => {
    expect(values('file', '-admin')).toEqual({ ...initial, rest: ['file', '-admin'] })
    expect(values('--', '-admin')).toEqual({ ...initial, rest: ['-admin'] })
    expect(values('-', '-admin')).toEqual({ ...initial, rest: ['-', '-admin'] })
  })

  it('the last one counts, and which were given is known', () => {
    const parsed = parseFlags(['-port', '1', '-port=2'], flags)
    expect('given' in parsed && [...parsed.given]).toEqual(['port'])
    expect(values('-port', '1', '-port=2')).toEqual({ ...initial, port: 2 })
  })

  it('what is not known or does not fit is an error that does not repeat the value', () => {
    expect(values('-verbose')).toEqual({ error: 'flag provided but not defined: -verbose' })
    expect(values('-constructor')).toEqual({ error: 'flag provided but not defined: -constructor' })
    expect(values('-port')).toEqual({ error: 'flag needs an argument: -port' })
    expect(values('-port', 'hunter2')).toEqual({ error: 'invalid integer value for flag -port' })
    expect(values('-admin=maybe')).toEqual({ error: 'invalid boolean value for flag -admin' })
    expect(values('---config')).toEqual({ error: 'bad flag syntax: ---config' })
  })
})

describe('a command', () => {
  const command = defineCommand({
    name: 'try',
    summary: 'Tries.',
    flags,
    execute: async ({ values: { port } }) => port,
  })

  it('lists every flag with its value and default for --help and -h', async () => {
    for (const argument of ['--help', '-h', '-help']) {
      const { code, stdout } = await run(command, [argument], '/')
      expect(code).toBe(0)
      for (const part of [
        '-admin',
        '-config file',
        '(default "dendrite.yaml")',
        '-port integer',
        '(default 30s)',
        'Tries.',
      ]) {
        expect(stdout).toContain(part)
      }
    }
  })

  it('ends with 2 and the usage for wrong flags and stray arguments', async () => {
    expect(await run(command, ['-nope'], '/')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('not defined: -nope'),
    })
    expect(await run(command, ['stray'], '/')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('unexpected argument'),
    })
    expect((await run(command, ['-port=3'], '/')).code).toBe(3)
  })
})
