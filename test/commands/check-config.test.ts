import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkConfigCommand } from '../../src/commands/check-config.js'
import { fixture, newFolder, run } from '../config/support.js'

describe('check-config', () => {
  it('prints remarks and ends with 0 for a file that loads', async () => {
    const { code, stdout, stderr } = await run(
      checkConfigCommand,
      ['-config', fixture('dendrite-v2.yaml')],
      newFolder(),
    )
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^warning: .*edu_server/)
    expect(stdout).toContain('server xxx.fly.dev, database')
  })

  it('prints every error and ends with 1', async () => {
    const cwd = newFolder()
    writeFileSync(join(cwd, 'dendrite.yaml'), 'version: 2\nglobal:\n  server_name: ""\nuser_api:\n  bcrypt_cost: 99\n')
    const { code, stdout, stderr } = await run(checkConfigCommand, [], cwd)
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain('The configuration has 2 errors:')
    expect(stderr).toContain('dendrite.yaml:3: global.server_name: found ""')
    expect(stderr).toContain('dendrite.yaml:5: user_api.bcrypt_cost: found 99; allowed: a whole number from 4 to 20')
  })

  it('says which values the environment replaces, and never a password', async () => {
    const env = { DATABASE_URL: 'postgres://u:hunter2@h/d' }
    const { code, stdout } = await run(checkConfigCommand, ['-config', fixture('dendrite-v2.yaml')], newFolder(), env)
    expect(code).toBe(0)
    expect(stdout).toContain('note: global.database.connection_string is taken from environment variable DATABASE_URL')
    expect(stdout).toContain('database d at h:5432 as u')
    expect(stdout).not.toContain('hunter2')
  })
})
