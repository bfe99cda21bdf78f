/** The load generator: `npm run bench -- send sync`. Drives any homeserver over its public API and prints tables. */
import { readOptions } from './options.js'
import { megabytes } from './report.js'
import { benchSend } from './send.js'
import { benchSync } from './sync.js'
import { openTarget } from './target.js'

const options = readOptions(process.argv.slice(2))
if (options !== undefined) {
  const target = await openTarget(options)
  try {
    process.stdout.write(`${target.url}; peak memory before the load: ${megabytes(target.peakMemory())}\n\n`)
    if (options.parts.includes('send')) process.stdout.write(`${await benchSend(target, options)}\n\n`)
    if (options.parts.includes('sync')) process.stdout.write(`${await benchSync(target, options)}\n\n`)
    process.stdout.write(`peak memory of the server's process: ${megabytes(target.peakMemory())}\n`)
  } finally {
    await target.stop()
  }
}
