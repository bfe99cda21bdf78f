import { LRUCache } from 'lru-cache'
import type { Database } from '../../platform/database.js'
import { INTERN_TYPES, SELECT_TYPES, SELECT_TYPES_BY_NID } from './store/event-types.js'
import { INTERN_STATE_KEYS, SELECT_STATE_KEYS, SELECT_STATE_KEYS_BY_NID } from './store/state-keys.js'

/** Event types a server has seen number in the hundreds; state keys are mostly user ids. */
const MAX_TYPES = 5_000
const MAX_STATE_KEYS = 50_000
/** Tries of an insert that keeps meeting strings which another process adds at the same moment. */
const MAX_TRIES = 5

/** Strings and the integers that stand for them in the store. Everything asked for at once is one statement at most. */
export interface Interned {
  /** The id when it is in memory; no statement. */
  peek(text: string): number | undefined
  /** Ids of all of them; the ones that are new get one. */
  intern(texts: Iterable<string>): Promise<ReadonlyMap<string, number>>
  /** Ids of those that are known. */
  find(texts: Iterable<string>): Promise<ReadonlyMap<string, number>>
  /** The strings behind ids. */
  names(nids: Iterable<number>): Promise<ReadonlyMap<number, string>>
  /** Remembers a pair that a statement has shown. */
  learn(nid: number, text: string): void
}

export interface Nids {
  readonly types: Interned
  readonly stateKeys: Interned
}

interface Pair {
  readonly nid: number
  readonly text: string
}

interface Source {
  insert(texts: readonly string[]): Promise<Pair[]>
  select(texts: readonly string[]): Promise<Pair[]>
  selectByNid(nids: readonly number[]): Promise<Pair[]>
}

export function createNids(database: Database): Nids {
  const typePair = (row: { type_nid: number; type: string }): Pair => ({ nid: row.type_nid, text: row.type })
  const keyPair = (row: { state_key_nid: number; state_key: string }): Pair => ({
    nid: row.state_key_nid,
    text: row.state_key,
  })
  return {
    types: interned(MAX_TYPES, {
      insert: async (texts) => (await database.run(INTERN_TYPES, texts)).map(typePair),
      select: async (texts) => (await database.run(SELECT_TYPES, texts)).map(typePair),
      selectByNid: async (nids) => (await database.run(SELECT_TYPES_BY_NID, nids)).map(typePair),
    }),
    stateKeys: interned(MAX_STATE_KEYS, {
      insert: async (texts) => (await database.run(INTERN_STATE_KEYS, texts)).map(keyPair),
      select: async (texts) => (await database.run(SELECT_STATE_KEYS, texts)).map(keyPair),
      selectByNid: async (nids) => (await database.run(SELECT_STATE_KEYS_BY_NID, nids)).map(keyPair),
    }),
  }
}

function interned(max: number, source: Source): Interned {
  const byText = new LRUCache<string, number>({ max })
  const byNid = new LRUCache<number, string>({ max })

  const learn = (nid: number, text: string): void => {
    byText.set(text, nid)
    byNid.set(nid, text)
  }

  const take = (pairs: readonly Pair[], into: Map<string, number>, missing: Set<string>): void => {
    for (const { nid, text } of pairs) {
      learn(nid, text)
      into.set(text, nid)
      missing.delete(text)
    }
  }

  const split = (texts: Iterable<string>): [known: Map<string, number>, missing: Set<string>] => {
    const known = new Map<string, number>()
    const missing = new Set<string>()
    for (const text of texts) {
      const nid = byText.get(text)
      if (nid === undefined) missing.add(text)
      else known.set(text, nid)
    }
    return [known, missing]
  }

  return {
    learn,
    peek: (text) => byText.get(text),
    async intern(texts) {
      const [known, missing] = split(texts)
      for (let tries = 0; missing.size > 0; tries++) {
        if (tries === MAX_TRIES) throw new Error('strings could not be interned')
        take(await source.insert([...missing]), known, missing)
      }
      return known
    },
    async find(texts) {
      const [known, missing] = split(texts)
      if (missing.size > 0) take(await source.select([...missing]), known, missing)
      return known
    },
    async names(nids) {
      const known = new Map<number, string>()
      const missing: number[] = []
      for (const nid of nids) {
        const text = byNid.get(nid)
        if (text === undefined) missing.push(nid)
        else known.set(nid, text)
      }
      if (missing.length > 0) {
        for (const { nid, text } of await source.selectByNid(missing)) {
          learn(nid, text)
          known.set(nid, text)
        }
      }
      return known
    },
  }
}
