import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml'
import type { Problem } from './config-error.js'
import { emptyMap, type KeyPath, PlainScalar, type Raw, type RawMap } from './raw.js'

/** A file that has been read: its values, and where each of them stands. */
export interface YamlFile {
  readonly root: RawMap
  /** Keys that stand twice in their section: the last one counts, as in Go's reader. */
  readonly repeated: readonly string[]
  /** The line of a value, or of the nearest section around it. From 1. */
  lineOf(path: KeyPath): number
}

/** The parser's own messages quote the file, and with it passwords; these do not. */
const MESSAGES: Record<string, string> = {
  BAD_ALIAS: 'an alias (*name) that cannot be resolved; a value that starts with * has to be quoted',
  BAD_DIRECTIVE: 'a directive that is not known',
  BAD_DQ_ESCAPE: 'an escape that does not exist in double quotes',
  BAD_INDENT: 'indentation that does not fit',
  BAD_SCALAR_START: 'a value that starts with a character that has to be quoted',
  BLOCK_AS_IMPLICIT_KEY:
    'a section where a value is expected: a missing line break, or a value with ": " that has to be quoted',
  DUPLICATE_KEY: 'a key that stands twice',
  KEY_OVER_1024_CHARS: 'a key longer than 1024 characters',
  MISSING_CHAR: 'something that is not closed, or a missing ":" or ","',
  MULTILINE_IMPLICIT_KEY: 'a key over several lines: a missing ":"?',
  MULTIPLE_DOCS: 'more than one document',
  RESOURCE_EXHAUSTION: 'too many levels',
  TAB_AS_INDENT: 'a tab as indentation',
  TAG_RESOLVE_FAILED: 'a tag (!name) that is not known; a value that starts with ! has to be quoted',
  UNEXPECTED_TOKEN: 'a character that does not belong there',
}

const MAX_NODES = 100_000
/** Each costs the parser a walk over the file. */
const MAX_ALIASES = 1_000

/** Values, or everything that is wrong with the syntax. `name` is shown as the place. */
export function readYaml(source: string, name: string): YamlFile | readonly Problem[] {
  const lines = new LineCounter()
  const document = parseDocument(source, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: false,
    schema: 'core',
    merge: true,
    stringKeys: true,
    logLevel: 'silent',
  })
  const problem = (offset: number, found: string): Problem => ({
    place: `${name}:${lines.linePos(offset).line}`,
    key: '',
    found,
    allowed: 'YAML',
  })
  const unknownTag = document.warnings.filter((warning) => warning.code === 'TAG_RESOLVE_FAILED')
  const errors = [...document.errors, ...unknownTag]
  if (errors.length > 0) {
    return errors.map((error) => problem(error.pos[0], MESSAGES[error.code] ?? 'something else'))
  }
  const reader = new Reader(document)
  const root = reader.read(document.contents)
  if (reader.failure !== undefined) return [problem(reader.failure.offset, reader.failure.found)]
  if (root === null) return fileOf(emptyMap(), document, lines, reader)
  if (typeof root !== 'object' || Array.isArray(root) || root instanceof PlainScalar) {
    return [problem(0, 'a file that is not made of sections')]
  }
  return fileOf(root as RawMap, document, lines, reader)
}

function fileOf(root: RawMap, document: Document, lines: LineCounter, reader: Reader): YamlFile {
  return {
    root,
    repeated: reader.repeated,
    lineOf: (path) => lines.linePos(offsetOf(document.contents as Node | null, path)).line,
  }
}

/** Turns nodes into raw values: aliases followed, merge keys (`<<`) applied, with a bound against bombs of aliases. */
class Reader {
  readonly repeated: string[] = []
  failure: { readonly offset: number; readonly found: string } | undefined
  readonly #document: Document
  #nodes = 0
  #aliases = 0

  constructor(document: Document) {
    this.#document = document
  }

  read(node: unknown, path: readonly string[] = []): Raw {
    if (this.failure !== undefined) return null
    this.#nodes += 1
    if (this.#nodes > MAX_NODES || path.length > 50) return this.#fail(node, 'too many levels or values')
    if (isAlias(node)) {
      this.#aliases += 1
      if (this.#aliases > MAX_ALIASES) return this.#fail(node, 'too many aliases')
      const target = node.resolve(this.#document)
      return target === undefined ? this.#fail(node, MESSAGES.BAD_ALIAS ?? '') : this.read(target, [...path, '*'])
    }
    if (isMap(node)) return this.#readMap(node.items, path)
    if (isSeq(node)) return node.items.map((item, index) => this.read(item, [...path, String(index)]))
    if (!isScalar(node)) return null
    const { value } = node
    if (typeof value === 'number' || typeof value === 'boolean')
      return new PlainScalar(value, node.source ?? String(value))
    return typeof value === 'string' ? value : null
  }

  #readMap(items: readonly { key: unknown; value: unknown }[], path: readonly string[]): RawMap {
    const map = emptyMap()
    const own = new Set<string>()
    for (const { key, value } of items) {
      const name = isScalar(key) ? (key.source ?? String(key.value)) : ''
      if (name === '<<' && (isAlias(value) || isMap(value))) {
        const merged = this.read(value, [...path, name])
        if (typeof merged !== 'object' || merged === null || Array.isArray(merged)) continue
        for (const [inherited, raw] of Object.entries(merged as RawMap)) if (!own.has(inherited)) map[inherited] = raw
        continue
      }
      if (own.has(name)) this.repeated.push([...path, name].join('.'))
      own.add(name)
      map[name] = this.read(value, [...path, name])
    }
    return map
  }

  #fail(node: unknown, found: string): Raw {
    const range = (node as Partial<Node> | undefined)?.range
    this.failure ??= { offset: range?.[0] ?? 0, found }
    return null
  }
}

function offsetOf(root: Node | null, path: KeyPath): number {
  let node: unknown = root
  let offset = 0
  for (const step of path) {
    let next: unknown
    if (isMap(node)) {
      // The last one counts where a key stands twice.
      const pair = node.items.findLast(({ key }) => isScalar(key) && (key.source ?? String(key.value)) === step)
      if (pair === undefined) break
      const key = pair.key as Node
      offset = key.range?.[0] ?? offset
      next = pair.value
    } else if (isSeq(node) && typeof step === 'number') {
      next = node.items[step]
      offset = (next as Node | undefined)?.range?.[0] ?? offset
    } else {
      break
    }
    node = next
  }
  return offset
}
