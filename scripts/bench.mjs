// Compiles the load generator into a cache folder and runs it: `npm run bench -- send sync --help`.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const cache = join(root, 'node_modules/.cache/neurite-bench')
const tsc = join(root, 'node_modules/.bin/tsc')
if (!existsSync(tsc)) {
  console.error('The TypeScript compiler is not installed: run `npm ci` (with development dependencies) first.')
  process.exit(1)
}
mkdirSync(cache, { recursive: true })
// What compiled sources look for beside themselves, as in dist.
for (const name of ['package.json', 'migrations']) {
  if (!existsSync(join(cache, name))) symlinkSync(join(root, name), join(cache, name))
}
const compiled = spawnSync(tsc, ['-p', join(root, 'tsconfig.bench.json')], { stdio: 'inherit' })
if (compiled.status !== 0) process.exit(compiled.status ?? 1)

const [first, ...rest] = process.argv.slice(2)
const program = first === 'room-writer' ? 'room-writer.js' : 'main.js'
const args = first === 'room-writer' ? rest : process.argv.slice(2)
const { status } = spawnSync(process.execPath, [join(cache, 'bench', program), ...args], { stdio: 'inherit' })
process.exit(status ?? 1)
