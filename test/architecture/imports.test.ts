import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseSync, Visitor } from 'oxc-parser'
import { describe, expect, it } from 'vitest'

/**
 * The dependency rule: who may import whom, type-only imports included. An import that cannot be resolved fails.
 * Components have a rank: one may import only those of a lower rank, and only through their `index.ts`.
 */
const RANKS = [
  'federationclient',
  'userapi',
  'mediaapi',
  'roomserver',
  'keyserver',
  'ephemeral',
  'pushserver',
  'federationsender',
  'search',
  'appservice',
  'syncapi',
]

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
const src = join(root, 'src')

type Layer = 'main' | 'commands' | 'app' | 'http' | 'workflows' | 'components' | 'config' | 'platform' | 'protocol'

const LAYERS: Record<
  Layer,
  { layers: Layer[]; typesOnly?: Layer[]; packages: string[] | 'any'; node: string[] | 'any' }
> = {
  main: { layers: ['commands'], packages: [], node: 'any' },
  commands: {
    layers: ['app', 'workflows', 'components', 'protocol', 'platform', 'config'],
    packages: 'any',
    node: 'any',
  },
  app: { layers: ['http', 'workflows', 'components', 'protocol', 'platform', 'config'], packages: 'any', node: 'any' },
  config: { layers: ['protocol'], packages: ['yaml', 'zod'], node: 'any' },
  http: {
    layers: ['workflows', 'components', 'protocol', 'platform'],
    typesOnly: ['config'],
    packages: 'any',
    node: 'any',
  },
  workflows: { layers: ['components', 'protocol', 'platform'], packages: [], node: 'any' },
  components: { layers: ['platform', 'protocol'], typesOnly: ['config'], packages: 'any', node: 'any' },
  platform: { layers: [], packages: 'any', node: 'any' },
  protocol: { layers: [], packages: ['tweetnacl'], node: ['node:crypto', 'node:buffer'] },
}

/** Packages that only one place may import. */
const CONFINED: Record<string, (file: string) => boolean> = {
  fastify: (file) => file.startsWith('http/'),
  pg: (file) => file.startsWith('platform/'),
  undici: (file) => file === 'platform/http-client.ts',
}

interface Import {
  readonly specifier: string
  readonly line: number
  readonly typeOnly: boolean
}

function importsOf(path: string): Import[] {
  const text = readFileSync(path, 'utf8')
  const { program, errors } = parseSync(path, text)
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]?.message}`)
  const found: Import[] = []
  const add = (specifier: string, start: number, typeOnly: boolean): void => {
    found.push({ specifier, typeOnly, line: text.slice(0, start).split('\n').length })
  }
  new Visitor({
    ImportDeclaration: (node) => {
      const named =
        node.specifiers.length > 0 && node.specifiers.every((s) => 'importKind' in s && s.importKind === 'type')
      add(node.source.value, node.start, node.importKind === 'type' || named)
    },
    ExportNamedDeclaration: (node) => {
      if (node.source) add(node.source.value, node.start, node.exportKind === 'type')
    },
    ExportAllDeclaration: (node) => add(node.source.value, node.start, node.exportKind === 'type'),
    ImportExpression: (node) => {
      if (node.source.type !== 'Literal') throw new Error(`${path}: an import() whose module is not a literal`)
      add(String(node.source.value), node.start, false)
    },
    TSImportType: (node) => add(node.source.value, node.start, true),
    TSImportEqualsDeclaration: (node) => {
      if (node.moduleReference.type === 'TSExternalModuleReference')
        add(node.moduleReference.expression.value, node.start, false)
    },
  }).visit(program)
  return found
}

function layerOf(file: string): Layer {
  const first = file.split('/')[0] ?? ''
  const name = file === 'main.ts' ? 'main' : file === 'app.ts' ? 'app' : first
  if (!(name in LAYERS)) throw new Error(`src/${file} is in no layer of the design`)
  return name as Layer
}

function breach(file: string, found: Import): string | undefined {
  const layer = layerOf(file)
  const rule = LAYERS[layer]
  const { specifier, typeOnly } = found
  if (specifier.startsWith('node:')) {
    return rule.node === 'any' || rule.node.includes(specifier) ? undefined : `${layer} may not import ${specifier}`
  }
  if (!specifier.startsWith('.')) {
    const name = specifier.startsWith('@')
      ? specifier.split('/').slice(0, 2).join('/')
      : (specifier.split('/')[0] ?? '')
    if (builtinModules.includes(name)) return `write node:${name}`
    const confined = CONFINED[name]
    if (confined !== undefined && !confined(file)) return `${name} may not be imported here`
    if (rule.packages !== 'any' && !rule.packages.includes(name)) return `${layer} may not import the package ${name}`
    return existsSync(join(root, 'node_modules', name)) ? undefined : `cannot be resolved`
  }
  if (!specifier.endsWith('.js')) return 'a relative import ends in .js'
  const target = resolve(dirname(join(src, file)), specifier.replace(/\.js$/, '.ts'))
  if (!existsSync(target)) return 'cannot be resolved'
  const targetFile = relative(src, target)
  if (targetFile.startsWith('..')) return 'leaves src'
  const targetLayer = layerOf(targetFile)
  if (layer === 'components' && targetLayer === 'components') {
    const [, own = ''] = file.split('/')
    const [, other = '', ...inside] = targetFile.split('/')
    if (own === other) return undefined
    if (RANKS.indexOf(other) < 0 || RANKS.indexOf(own) < 0) return `${own} or ${other} has no rank`
    if (RANKS.indexOf(other) >= RANKS.indexOf(own)) return `${own} may not import ${other}, whose rank is not lower`
    return inside.join('/') === 'index.ts' ? undefined : `${other} is imported only through its index.ts`
  }
  if (layer === targetLayer) return undefined
  if (targetLayer === 'components' && targetFile.split('/').slice(2).join('/') !== 'index.ts')
    return 'a component is imported only through its index.ts'
  if (rule.layers.includes(targetLayer)) return undefined
  if (rule.typesOnly?.includes(targetLayer))
    return typeOnly ? undefined : `${layer} may import only types of ${targetLayer}`
  return `${layer} may not import ${targetLayer}`
}

function sources(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name)
    return statSync(path).isDirectory() ? sources(path) : path.endsWith('.ts') ? [path] : []
  })
}

describe('the dependency rule', () => {
  it('holds for every import in src, type imports included', () => {
    const breaches = sources(src).flatMap((path) => {
      const file = relative(src, path)
      return importsOf(path).flatMap((found) => {
        const why = breach(file, found)
        return why === undefined ? [] : [`src/${file}:${found.line} imports ${found.specifier}: ${why}`]
      })
    })
    expect(breaches).toEqual([])
  })

  it('refuses what it should', () => {
    const at = (specifier: string, typeOnly = false): Import => ({ specifier, typeOnly, line: 1 })
    expect(breach('protocol/ids.ts', at('node:fs'))).toMatch(/may not import node:fs/)
    expect(breach('protocol/ids.ts', at('../platform/statement.js', true))).toMatch(/protocol may not import platform/)
    expect(breach('platform/statement.ts', at('../protocol/ids.js', true))).toMatch(/platform may not import protocol/)
    expect(breach('components/userapi/api.ts', at('../roomserver/api.js', true))).toMatch(/rank is not lower/)
    expect(breach('components/syncapi/api.ts', at('../roomserver/api.js', true))).toMatch(/only through its index.ts/)
    expect(breach('http/route.ts', at('../config/schema.js'))).toMatch(/only types/)
    expect(breach('http/route.ts', at('pg'))).toMatch(/may not be imported here/)
    expect(breach('http/route.ts', at('./nowhere.js'))).toMatch(/cannot be resolved/)
  })
})

describe('names', () => {
  it('files are kebab-case', () => {
    const wrong = sources(src).filter((path) => !/^[a-z0-9.-]+$/.test(path.split('/').at(-1) ?? ''))
    expect(wrong).toEqual([])
  })

  it('SQL of a component names only its own schema', () => {
    const schemas = [...RANKS, 'platform']
    const wrong = sources(join(src, 'components')).flatMap((path) => {
      const [own = ''] = relative(join(src, 'components'), path).split('/')
      const text = readFileSync(path, 'utf8')
      return schemas
        .filter((schema) => schema !== own)
        .filter((schema) => new RegExp(`\\b(?:FROM|JOIN|INTO|UPDATE)\\s+${schema}\\.`, 'i').test(text))
        .map((schema) => `${relative(root, path)} names ${schema}`)
    })
    expect(wrong).toEqual([])
  })
})
