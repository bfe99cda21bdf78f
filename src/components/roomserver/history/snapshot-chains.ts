import type { ChainRow } from '../store/state-snapshots-reads.js'

interface Link {
  readonly parent: number | undefined
  readonly entries: Map<string, number>
}

/** Chains of snapshots, as far as some keys of the state are concerned: one key per event type. */
export class SnapshotChains {
  readonly #links = new Map<number, Link>()

  constructor(rows: readonly ChainRow[]) {
    for (const row of rows) {
      const link = this.#links.get(row.snapshot_id) ?? { parent: row.parent_id ?? undefined, entries: new Map() }
      this.#links.set(row.snapshot_id, link)
      if (row.type !== null && row.event_nid !== null) link.entries.set(row.type, row.event_nid)
    }
  }

  /** The event that the state has for a type: that of the nearest entry down the chain. */
  eventNid(snapshotId: number, type: string): number | undefined {
    for (let link = this.#links.get(snapshotId); link !== undefined; link = this.#below(link)) {
      const nid = link.entries.get(type)
      if (nid !== undefined) return nid === 0 ? undefined : nid
    }
    return undefined
  }

  #below({ parent }: Link): Link | undefined {
    return parent === undefined ? undefined : this.#links.get(parent)
  }
}
