import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'

/** Makes `initdb` run for a user that the system does not know, as containers started with any uid have. */
export interface PasswdShim {
  /** `initdb` must be started there. */
  readonly workingDirectory: string
  readonly environment: Readonly<Record<string, string>>
  remove(): Promise<void>
}

const PASSWD = Buffer.from('/etc/passwd\0')
/** Relative to the working directory, and no longer than what it replaces. */
const OWN_PASSWD = Buffer.from('./passwd\0\0\0\0')

/**
 * `initdb` insists on a name for its user and offers no way to pass one; /etc/passwd cannot be written. So it gets a
 * private copy of the C library that reads `./passwd`, for the one second it runs: PostgreSQL itself does not ask. Undefined when the
 * user is known, or the C library is not one that this is possible with (initdb then says what it misses).
 */
export async function passwdShim(folder: string, user = currentUser()): Promise<PasswdShim | undefined> {
  if (process.platform !== 'linux' || user.uid === 0 || user.hasName) return undefined
  const library = await cLibrary()
  const bytes = library === undefined ? undefined : await readFile(library)
  const at = bytes?.indexOf(PASSWD) ?? -1
  if (bytes === undefined || at < 0) return undefined
  OWN_PASSWD.copy(bytes, at)
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { mode: 0o755, recursive: true })
  await writeFile(join(folder, 'libc.so.6'), bytes, { mode: 0o555 })
  await writeFile(join(folder, 'passwd'), `neurite:x:${user.uid}:${user.gid}::/:/bin/sh\n`)
  return {
    workingDirectory: folder,
    environment: { LD_LIBRARY_PATH: folder },
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}

interface CurrentUser {
  readonly uid: number
  readonly gid: number
  readonly hasName: boolean
}

function currentUser(): CurrentUser {
  const ids = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
  try {
    return { ...ids, hasName: userInfo().username !== '' }
  } catch {
    return { ...ids, hasName: false }
  }
}

/** The C library that this very process runs on. */
async function cLibrary(): Promise<string | undefined> {
  const maps = await readFile('/proc/self/maps', 'utf8').catch(() => '')
  return /(\/\S*\/libc\.so\.6)$/m.exec(maps)?.[1]
}
