import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import type { Database } from '../../../src/platform/database.js'
import { systemClock } from '../../../src/platform/time.js'
import { anUpload, contentOf, createTestMedia } from './support.js'

/** The server dies at the first transaction: what has been done before stays, and nothing comes after. */
function dyingAtCommit(database: Database): Database {
  const dead = { hasDied: false }
  const died = (): Error => {
    dead.hasDied = true
    return new Error('killed')
  }
  return new Proxy(database, {
    get(target, name) {
      if (name === 'transaction') return async () => Promise.reject(died())
      if (name === 'run' && dead.hasDied) return async () => Promise.reject(died())
      const value = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

describe('a server that is killed in the middle of an upload (SECURITY F5)', () => {
  it('leaves no row without a file, and the file without a row is swept at the next start', async () => {
    const test = await createTestMedia()
    const kept = test.fresh()
    await kept.start()
    const content = randomBytes(5_000)
    const ref = await kept.upload(anUpload(content))
    const before = await test.files()

    await expect(test.fresh(dyingAtCommit(test.database)).upload(anUpload())).rejects.toThrow('killed')
    // As the crash has left it: whole, in its place, and nobody refers to it.
    expect((await test.files()).length).toBe(before.length + 1)
    const next = test.fresh()
    await next.start()
    expect(await test.files()).toEqual(before)
    expect(await contentOf(next, ref)).toEqual(content)
    await test.close()
  })

  it('keeps a file that somebody has uploaded again meanwhile', async () => {
    const test = await createTestMedia()
    const content = randomBytes(5_000)
    await expect(test.fresh(dyingAtCommit(test.database)).upload(anUpload(content))).rejects.toThrow('killed')
    const ref = await test.fresh().upload(anUpload(content))
    const next = test.fresh()
    await next.start()
    expect(await contentOf(next, ref)).toEqual(content)
    await test.close()
  })

  it('has half a file swept, and nothing that it has not written itself', async () => {
    const test = await createTestMedia()
    const foreign = ['a/b/cdef/file', 'a/b/cdef/thumbnail-32x32-crop', 'tmp/somebody', 'notes.txt']
    for (const name of [...foreign, 'tmp/neurite-half']) {
      await mkdir(dirname(join(test.folder, name)), { recursive: true })
      await writeFile(join(test.folder, name), 'x')
    }
    await test.fresh().start()
    expect(await test.files()).toEqual(foreign.sort())
    await test.close()
  })
})

it('an upload whose row the database refuses leaves no file', async () => {
  const test = await createTestMedia()
  const refusing = new Proxy(test.database, {
    get(target, name) {
      if (name === 'transaction') return async () => Promise.reject(new Error('refused'))
      const value = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  await expect(test.fresh(refusing).upload(anUpload())).rejects.toThrow('refused')
  expect(await test.files()).toEqual([])
  await test.close()
})

it('two uploads of the same content at the same time, one of which fails, leave the other whole', async () => {
  const test = await createTestMedia()
  const media = test.fresh()
  const content = randomBytes(20_000)
  for (let round = 0; round < 10; round++) {
    const late = await media.create(anUpload().userId)
    await media.uploadTo(late.ref, anUpload(randomBytes(10)))
    const [ref, refused] = await Promise.allSettled([
      media.upload(anUpload(content)),
      media.uploadTo(late.ref, anUpload(content)),
    ])
    expect(refused).toMatchObject({ status: 'rejected', reason: { errcode: 'M_CANNOT_OVERWRITE_MEDIA' } })
    if (ref.status === 'rejected') throw ref.reason
    expect(await contentOf(media, ref.value)).toEqual(content)
  }
  await test.close()
})

describe('a disk that does not take files (SECURITY F19)', () => {
  it('is an error of the server without a row, and what is there is served on', async () => {
    const parent = await mkdtemp(join(tmpdir(), 'neurite-media-'))
    const folder = join(parent, 'store')
    const test = await createTestMedia(folder)
    const media = test.fresh()
    const content = randomBytes(100)
    const ref = await media.upload(anUpload(content))
    // In the way of new files, whoever runs this.
    await rm(join(folder, 'tmp'), { recursive: true })
    await writeFile(join(folder, 'tmp'), 'not a folder')
    await expect(media.upload(anUpload())).rejects.toMatchObject({ errcode: 'M_UNKNOWN', status: 500 })
    expect(await contentOf(media, ref)).toEqual(content)
    await rm(join(folder, 'tmp'))
    expect(await contentOf(media, await media.upload(anUpload(content)))).toEqual(content)
    await test.close()
    await rm(parent, { recursive: true })
  })

  it.skipIf(!canMount())('is 507 when it is full, and the half file goes', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'neurite-media-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder])
    try {
      const test = await createTestMedia(folder)
      const media = test.fresh()
      const content = randomBytes(100_000)
      const ref = await media.upload(anUpload(content))
      const pieces = Array.from({ length: 30 }, () => randomBytes(60_000))
      const large = { ...anUpload(), content: Readable.from(pieces) }
      await expect(media.upload(large)).rejects.toMatchObject({ errcode: 'M_UNKNOWN', status: 507 })
      expect((await test.files()).length).toBe(1)
      expect(await contentOf(media, ref)).toEqual(content)
      expect((await contentOf(media, await media.upload(anUpload()))).length).toBe(1_000)
      await test.close()
    } finally {
      execFileSync('umount', [folder])
      await rm(folder, { recursive: true })
    }
  })
})

it('whoever waits for content is answered when the server stops waiting', async () => {
  const test = await createTestMedia()
  const media = test.fresh()
  const { ref } = await media.create(anUpload().userId)
  const stopping = new AbortController()
  const since = systemClock.monotonic()
  const waiting = media.download(ref, { timeoutMs: 60_000, signal: stopping.signal })
  stopping.abort()
  await expect(waiting).rejects.toMatchObject({ errcode: 'M_NOT_YET_UPLOADED', status: 504 })
  expect(systemClock.monotonic() - since).toBeLessThan(5_000)
  await test.close()
})

/** Whether this is a system, and a user, that can have a small disk. */
function canMount(): boolean {
  try {
    execFileSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
