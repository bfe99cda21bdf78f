import type { Transaction } from '../../platform/database.js'
import type { Context } from './context.js'
import { CONTENT, type Received } from './file-store.js'
import { DELETE_FILE_INTENT, INSERT_FILE_INTENT, SELECT_FILE_INTENTS } from './store/file-intents.js'
import { SELECT_HASH_IN_USE } from './store/media.js'

type Parts = Pick<Context, 'database' | 'files' | 'contents' | 'log'>

/**
 * Puts a received file in its place together with the rows that refer to it. What is on the disk without a row is named in
 * `file_intents` before it gets there, so that after a crash it is found without reading the whole store, and files that
 * somebody else has put there are never touched. The received file is gone afterwards, whatever happens.
 */
export async function keepFile<T>(
  parts: Parts,
  received: Received,
  place: { readonly hash: string; readonly name: string },
  writeRows: (tx: Transaction) => Promise<T>,
): Promise<T> {
  const { database, files, contents } = parts
  const { hash, name } = place
  return contents.run(hash, async () => {
    const isThere = name === CONTENT && (await files.size(hash, name)) === received.sizeBytes
    try {
      if (!isThere) {
        await database.run(INSERT_FILE_INTENT, hash, name)
        await files.place(received, hash, name)
      }
      return await database.transaction(async (tx) => {
        const result = await writeRows(tx)
        if (!isThere) await tx.run(DELETE_FILE_INTENT, hash, name)
        return result
      })
    } catch (error) {
      if (!isThere) await takeBack(parts, hash, name)
      throw error
    } finally {
      await files.discard(received.path)
    }
  })
}

/** Only within the queue of the hash. What cannot be removed now is removed by the next start. */
async function takeBack({ database, files, log }: Parts, hash: string, name: string): Promise<void> {
  try {
    const inUse = name === CONTENT && (await database.run(SELECT_HASH_IN_USE, hash)).length > 0
    if (!inUse) await files.remove(hash, name)
    await database.run(DELETE_FILE_INTENT, hash, name)
  } catch (error) {
    log.warn({ err: error, hash, name }, 'a file that is not needed could not be removed yet')
  }
}

/** What a server that was killed has left: half a file, or a whole one that no row refers to. */
export async function removeLeftovers({ database, files, log }: Parts): Promise<void> {
  await files.removeUnfinished()
  const intents = await database.run(SELECT_FILE_INTENTS)
  for (const { hash, name, used } of intents) {
    if (name !== CONTENT || !used) await files.remove(hash, name)
    await database.run(DELETE_FILE_INTENT, hash, name)
  }
  if (intents.length > 0) log.info({ files: intents.length }, 'removed files of uploads that were cut off')
}
