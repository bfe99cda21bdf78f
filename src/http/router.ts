import type { Method, Route } from './route.js'

export interface Match {
  readonly route: Route
  /** Decoded once; without a prototype. */
  readonly params: Record<string, string>
}

export type Found = Match | 'unknown-path' | 'wrong-method' | 'bad-encoding'

interface Target {
  readonly route: Route
  readonly names: readonly string[]
}

class Node {
  readonly literals = new Map<string, Node>()
  parameter: Node | undefined
  readonly targets = new Map<Method, Target>()
}

/**
 * Finds routes by whole segments, compared as they were sent: no segment is skipped, merged, normalised or decoded to
 * match. `//`, `/../`, a trailing slash or further segments are unknown paths, so that what a reverse proxy has allowed is
 * what is served. A literal segment wins over a parameter.
 */
export class Router {
  readonly #root = new Node()

  /** Throws when two routes have the same method and path. */
  constructor(routes: readonly Route[]) {
    for (const route of routes) for (const path of pathsOf(route)) this.#add(route, path)
  }

  /** `path` without its query. HEAD is answered like GET. */
  find(method: string, path: string): Found {
    const segments = path.split('/')
    const values: string[] = []
    const wanted = (method === 'HEAD' ? 'GET' : method) as Method
    // A path may match several templates; one that has the method wins over one that has not.
    let isKnown = false
    const walk = (node: Node, at: number): Target | undefined => {
      const segment = segments[at]
      if (segment === undefined) {
        isKnown ||= node.targets.size > 0
        return node.targets.get(wanted)
      }
      const literal = node.literals.get(segment)
      const found = literal && walk(literal, at + 1)
      if (found !== undefined || node.parameter === undefined || segment === '') return found
      values.push(segment)
      const deeper = walk(node.parameter, at + 1)
      if (deeper === undefined) values.pop()
      return deeper
    }
    const target = walk(this.#root, 0)
    if (target === undefined) return isKnown ? 'wrong-method' : 'unknown-path'
    return decoded(target, values)
  }

  #add(route: Route, path: string): void {
    let node = this.#root
    const names: string[] = []
    for (const segment of path.split('/')) {
      let next: Node | undefined
      if (segment.startsWith('{')) {
        names.push(segment.slice(1, -1))
        next = node.parameter ??= new Node()
      } else {
        next = node.literals.get(segment) ?? new Node()
        node.literals.set(segment, next)
      }
      node = next
    }
    if (node.targets.has(route.method)) throw new Error(`two routes are ${route.method} ${path}`)
    node.targets.set(route.method, { route, names })
  }
}

/** The path under every version it is served as. */
export function pathsOf(route: Pick<Route, 'path' | 'versions'>): string[] {
  const others = (route.versions ?? []).map((version) => route.path.replace(/\/v\d+\//, `/${version}/`))
  return [route.path, ...others]
}

function decoded({ route, names }: Target, values: readonly string[]): Found {
  const params: Record<string, string> = Object.create(null)
  for (const [index, name] of names.entries()) {
    const value = decode(values[index] ?? '')
    if (value === undefined) return 'bad-encoding'
    // No id is a dot segment, and proxies resolve them, encoded or not.
    if (value === '.' || value === '..') return 'unknown-path'
    params[name] = value
  }
  return { route, params }
}

/** Once only: `%252F` is the text `%2F`. Undefined for what is not UTF-8 in percent-encoding. */
function decode(segment: string): string | undefined {
  if (!segment.includes('%')) return segment
  try {
    return decodeURIComponent(segment)
  } catch {
    return undefined
  }
}
