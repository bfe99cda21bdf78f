import { type FieldMeta, metaOf } from './fields.js'
import { configSchema } from './schema.js'

const INTRODUCTION = `# Configuration reference

Neurite reads Dendrite's configuration file, version 2, as it is. \`neurite serve -config FILE\` names it; without \`-config\` it is
\`dendrite.yaml\` in the working directory, where there is one. Without any file the server is called \`localhost\` and keeps its data in \`./data\`.

- \`neurite check-config -config FILE\` says everything that is wrong or has no effect, and exits with 0 or 1.
- \`neurite generate-config -server example.com > dendrite.yaml\` writes a new file; [config/dendrite.yaml](../config/dendrite.yaml) is the commented sample.
- \`neurite upgrade-config old.yaml > new.yaml\` converts a file of version 1.

**Values.** Durations are Go's (\`168h\`, \`1h30m\`, \`500ms\`); a bare number counts seconds. Sizes are bytes, or \`1gb\`, \`512mb\`, \`64kb\` in powers of 1024.
Relative paths start at the working directory. An empty value is the default.

**Environment.** Every single value and every list of single values can be set by a variable: \`NEURITE_\`, the section and the key in capitals,
such as \`NEURITE_GLOBAL_SERVER_NAME\` or \`NEURITE_GLOBAL_DATABASE_MAX_OPEN_CONNS\`; items of a list are separated by commas. Variables win over the
file; the start says where they differ. An empty variable is not set. Short names:

| Variable | Sets |
|---|---|
| \`NEURITE_SERVER_NAME\` | \`global.server_name\` |
| \`NEURITE_DATA_DIR\` | \`global.data_dir\` |
| \`DATABASE_URL\` | \`global.database.connection_string\` |
| \`NEURITE_HTTP_BIND_ADDRESS\` | \`-http-bind-address\` of \`serve\` |

Values marked *secret* can also come from a file: \`NEURITE_CLIENT_API_REGISTRATION_SHARED_SECRET_FILE=/run/secrets/registration\`.
Errors and logs never show them.

**The database.** One PostgreSQL database holds everything. Where the file names it for single components (\`room_server.database\`, ...,
\`user_api.account_database\`) all of them have to name the same. \`file:\` (SQLite) is refused. When no connection string stands anywhere, the server runs a
PostgreSQL of its own under \`global.data_dir\`, with at most 20 connections. A connection string is a URL or keyword/value pairs; what it leaves
out comes from \`PGHOST\`, \`PGPORT\`, \`PGUSER\`, \`PGPASSWORD\` and \`PGDATABASE\`, and then is localhost, 5432, the system's user, no password, and the user's name.

**Differences from Dendrite.** \`room_server.default_room_version\` is "12" where the file says nothing (Dendrite: "10"). \`global.private_key\`
and \`media_api.base_path\` may be left out. \`federation_api.allow_networks\` includes IPv6, and \`federation_api.deny_networks\` more networks.
\`global.data_dir\` and \`global.trusted_proxies\` are new. A key that has no effect is named in one warning at start, unless its value is
the default anyway.
`

/** `docs/configuration.md`. */
export function renderReference(): string {
  const out = [INTRODUCTION]
  const unused: string[] = []
  for (const [name, field] of Object.entries(metaOf(configSchema).shape ?? {})) {
    const meta = metaOf(field)
    const rows = rowsOf(meta, '', `${name}`, unused)
    if (rows.length === 0) continue
    out.push(`## \`${name}\`\n\n${oneLine(meta.doc)}\n`)
    out.push(`| Key | Default | Meaning |\n|---|---|---|\n${rows.join('\n')}\n`)
  }
  out.push(`## Accepted without effect\n\n| Key | Why |\n|---|---|\n${unused.join('\n')}\n`)
  return out.join('\n')
}

function rowsOf(meta: FieldMeta, prefix: string, path: string, unused: string[]): string[] {
  if (meta.unused !== undefined || meta.hidden === true) {
    unused.push(`| \`${path}\` | ${meta.unused ?? hiddenWhy(path)} |`)
    return []
  }
  if (meta.kind === 'list' && prefix === '') return [row(path, meta), ...itemRows(meta, path, unused)]
  if (meta.shape === undefined) return [row(prefix === '' ? path : prefix, meta), ...itemRows(meta, prefix, unused)]
  return Object.entries(meta.shape).flatMap(([key, field]) =>
    rowsOf(metaOf(field), prefix === '' ? key : `${prefix}.${key}`, `${path}.${key}`, unused),
  )
}

function itemRows(meta: FieldMeta, prefix: string, unused: string[]): string[] {
  if (meta.item === undefined || metaOf(meta.item).shape === undefined) return []
  return rowsOf(metaOf(meta.item), `${prefix}[]`, `${prefix}[]`, unused)
}

function hiddenWhy(path: string): string {
  return path.endsWith('database')
    ? 'only to name the same database as `global.database`'
    : 'only for its `database`, which has to be the same as `global.database`'
}

function row(key: string, meta: FieldMeta): string {
  return `| \`${key}\` | ${showDefault(meta)} | ${meaning(meta)} |`
}

function showDefault({ initial }: FieldMeta): string {
  if (initial === undefined) return '*required in a file*'
  if (initial === null || initial === '') return ''
  if (!Array.isArray(initial)) return `\`${String(initial)}\``
  if (initial.length === 0) return ''
  return initial.map((item) => (typeof item === 'string' ? `\`${item}\`` : `\`${JSON.stringify(item)}\``)).join(' ')
}

function meaning(meta: FieldMeta): string {
  const kind = meta.item === undefined ? meta : metaOf(meta.item)
  const special =
    ['integer', 'duration', 'size'].includes(meta.kind) || (kind.kind === 'text' && kind.allowed !== 'text')
  const notes = [...(special ? [`Allowed: ${meta.allowed}.`] : []), ...(meta.secret === true ? ['*Secret.*'] : [])]
  return [oneLine(meta.doc), ...notes].join(' ').replaceAll('|', '\\|')
}

function oneLine(doc: string): string {
  return doc.replaceAll('\n', ' ')
}
