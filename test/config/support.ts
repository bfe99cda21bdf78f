import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach } from 'vitest'
import type { Command } from '../../src/commands/command.js'
import { ConfigError, type Problem } from '../../src/config/config-error.js'
import type { Environment } from '../../src/config/environment.js'
import { type LoadedConfig, loadConfig } from '../../src/config/load.js'

export const root = join(dirname(fileURLToPath(import.meta.url)), '../..')

export function fixture(name: string): string {
  return join(root, 'test/fixtures/config', name)
}

const folders: string[] = []

/** A folder that is removed after the test. */
export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'neurite-config-'))
  folders.push(folder)
  return folder
}

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

/** Loads `yaml` as `dendrite.yaml` of a fresh folder, or no file at all. */
export function load(yaml: string | undefined, env: Environment = {}, listeners?: readonly string[]): LoadedConfig {
  const cwd = newFolder()
  if (yaml !== undefined) writeFileSync(join(cwd, 'dendrite.yaml'), yaml)
  return loadConfig({ env, cwd, listeners })
}

/** A minimal file with more after it. */
export function file(more: string): string {
  return `version: 2\nglobal:\n  server_name: example.com\n${more}`
}

export function errorOf(action: () => unknown): ConfigError {
  try {
    action()
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
  throw new Error('no error was thrown')
}

export function problemsOf(yaml: string, env: Environment = {}, listeners?: readonly string[]): readonly Problem[] {
  return errorOf(() => load(yaml, env, listeners)).problems
}

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export async function run(command: Command, argv: readonly string[], cwd: string, env: Environment = {}): Promise<Ran> {
  const out: string[] = []
  const err: string[] = []
  const code = await command.run({
    argv,
    cwd,
    env,
    stdout: { write: (text) => out.push(text) },
    stderr: { write: (text) => err.push(text) },
  })
  return { code, stdout: out.join(''), stderr: err.join('') }
}
