import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { defaultConfig, loadConfig, readConfigText } from '../../src/config/load.js'
import { renderReference } from '../../src/config/reference.js'
import { renderSample, renderYaml, valuesOf } from '../../src/config/render.js'
import { fixture, newFolder, root } from './support.js'

/** `npm run docs` sets this: the files are written instead of compared. */
const update = process.env.UPDATE_DOCS === '1'

function isCurrent(name: string, text: string): void {
  const path = join(root, name)
  if (update) {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  }
  expect(readFileSync(path, 'utf8'), `${name} is stale: run \`npm run docs\``).toBe(text)
}

describe('files generated from the schema', () => {
  it('config/dendrite.yaml is current', () => isCurrent('config/dendrite.yaml', renderSample()))

  it('docs/configuration.md is current', () => isCurrent('docs/configuration.md', renderReference()))

  it('the sample loads without a warning', () => {
    const cwd = newFolder()
    writeFileSync(join(cwd, 'sample.yaml'), renderSample())
    const { config, warnings } = loadConfig({ file: 'sample.yaml', env: {}, cwd })
    expect(warnings).toEqual([])
    expect(config.room_server.default_room_version).toBe('12')
    expect(config.global.database.connection_string).toBe('')
  })

  it('every line of the sample is narrow enough to be read', () => {
    for (const line of renderSample().split('\n')) expect(line.length, line).toBeLessThan(140)
  })

  it('a configuration that is written out is read as the same', () => {
    for (const name of ['dendrite-every-key.yaml', 'dendrite-v2.yaml']) {
      const { config } = readConfigText(readFileSync(fixture(name), 'utf8'), name, '/srv')
      const again = readConfigText(renderYaml(valuesOf(config), { comments: true }), name, '/srv').config
      expect(again).toEqual(config)
    }
    const written = renderYaml(valuesOf(structuredClone(defaultConfig('/srv')) as never), { comments: false })
    expect(readConfigText(written, 'defaults', '/srv').config.global.data_dir).toBe('/srv/data')
  })
})
