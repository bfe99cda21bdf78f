// Runs after every install. The dev dependency `node` (a newer Node for the tests that drive today's client SDKs) also
// links itself as node_modules/.bin/node, and npm puts that folder first in the PATH of every script: `npm start` and
// `npm test` would silently run on it instead of on the Node that the person has. Only the link goes.
import { rmSync } from 'node:fs'
import { join } from 'node:path'

for (const name of ['node', 'node.cmd', 'node.ps1'])
  rmSync(join(import.meta.dirname, '../node_modules/.bin', name), { force: true })
