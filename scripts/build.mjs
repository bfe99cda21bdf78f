// Compiles src into dist. With --if-needed only when something is newer than the last build (`npm start`).
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const stamp = join(root, 'dist/.built')
const newest = (path) =>
  statSync(path).isDirectory() ? Math.max(0, ...readdirSync(path).map((name) => newest(join(path, name)))) : statSync(path).mtimeMs

if (process.argv.includes('--if-needed') && existsSync(stamp)) {
  const built = statSync(stamp).mtimeMs
  const inputs = ['src', 'package.json', 'tsconfig.json', 'tsconfig.build.json'].map((name) => join(root, name))
  if (!existsSync(join(root, 'src')) || inputs.every((path) => newest(path) <= built)) process.exit(0)
}
const tsc = join(root, 'node_modules/.bin/tsc')
if (!existsSync(tsc)) {
  console.error('The TypeScript compiler is not installed: run `npm ci` (with development dependencies) first.')
  process.exit(1)
}
rmSync(join(root, 'dist'), { recursive: true, force: true })
const { status } = spawnSync(tsc, ['-p', join(root, 'tsconfig.build.json')], { stdio: 'inherit' })
if (status !== 0) process.exit(status ?? 1)
chmodSync(join(root, 'dist/main.js'), 0o755)
writeFileSync(stamp, '')
