// Compiles on every change of src, and starts the server anew when dist has changed. Arguments go to the server.
import { spawn, spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const built = spawnSync(process.execPath, [join(root, 'scripts/build.mjs')], { stdio: 'inherit' })
if (built.status !== 0) process.exit(built.status ?? 1)

const compiler = spawn(
  join(root, 'node_modules/.bin/tsc'),
  ['-p', join(root, 'tsconfig.build.json'), '--watch', '--preserveWatchOutput'],
  // A group of its own: what runs is a child of this child, and would be left behind.
  { stdio: 'inherit', detached: true },
)
const stopCompiler = () => {
  try {
    process.kill(-compiler.pid, 'SIGTERM')
  } catch {
    // It has ended already.
  }
}
const dist = join(root, 'dist')
const server = spawn(
  process.execPath,
  ['--watch', `--watch-path=${dist}`, '--watch-preserve-output', join(dist, 'main.js'), ...process.argv.slice(2)],
  { stdio: 'inherit' },
)
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    stopCompiler()
    server.kill(signal)
  })
}
server.once('exit', (code) => {
  stopCompiler()
  process.exitCode = code ?? 0
})
