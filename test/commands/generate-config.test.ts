import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { generateConfigCommand } from '../../src/commands/generate-config.js'
import { databaseTarget } from '../../src/config/database-target.js'
import { loadConfig } from '../../src/config/load.js'
import { fixture, newFolder, run } from '../config/support.js'

const SYTEST_DB = 'postgresql://sytest:sytest@/sytest_8800_0?sslmode=disable'

async function generate(...argv: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(generateConfigCommand, argv, newFolder())
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout
}

describe('generate-config', () => {
  it('writes a commented file that loads without a remark', async () => {
    const cwd = newFolder()
    writeFileSync(join(cwd, 'new.yaml'), await generate('-server', 'example.com'))
    const { config, warnings } = loadConfig({ file: 'new.yaml', env: {}, cwd })
    expect(warnings).toEqual([])
    expect(config.global.server_name).toBe('example.com')
    expect(config.global.private_key).toBe(join(cwd, 'matrix_key.pem'))
    expect(config.client_api.registration_disabled).toBe(true)
    expect(config.room_server.default_room_version).toBe('12')
    expect(databaseTarget(config, {}).kind).toBe('embedded')
  })

  it('puts everything under -dir and uses the database of -db', async () => {
    const config = parse(await generate('--dir=/srv/m', '--db', 'postgres://u@h/d'))
    expect(config.global.private_key).toBe('/srv/m/matrix_key.pem')
    expect(config.global.data_dir).toBe('/srv/m/data')
    expect(config.media_api.base_path).toBe('/srv/m/media')
    expect(config.global.database.connection_string).toBe('postgres://u@h/d')
  })

  it('refuses a name or a database the server would refuse', async () => {
    const cwd = newFolder()
    expect(await run(generateConfigCommand, ['-server', 'no name'], cwd)).toMatchObject({ code: 1, stdout: '' })
    const sqlite = await run(generateConfigCommand, ['-db', 'file:dendrite.db'], cwd)
    expect(sqlite).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('SQLite') })
  })

  it('-ci opens registration, lifts limits, allows loopback and writes room version 10', async () => {
    const config = parse(await generate('-ci', '-dir', '/tmp/server-0', '-db', SYTEST_DB))
    expect(config).toMatchObject({
      version: 2,
      global: { server_name: 'localhost', presence: { enable_inbound: true, enable_outbound: true } },
      client_api: { registration_disabled: false, guests_disabled: false, rate_limiting: { enabled: false } },
      federation_api: { key_perspectives: [], deny_networks: [] },
      room_server: { default_room_version: '10' },
      user_api: { bcrypt_cost: 4 },
      sync_api: { search: { enabled: true } },
    })
  })

  it('-normalise writes what a file says, secrets included, and nothing is lost', async () => {
    const folder = newFolder()
    const { code, stdout } = await run(
      generateConfigCommand,
      ['-normalise', fixture('dendrite-every-key.yaml')],
      folder,
    )
    expect(code).toBe(0)
    expect(parse(stdout)).toMatchObject({
      global: { private_key: 'keys/matrix_key.pem', cache: { max_size_estimated: '512mb', max_age: '2h' } },
      client_api: { registration_shared_secret: '0123' },
      mscs: { mscs: ['msc2836'] },
    })
  })
})

const hasPerl = spawnSync('perl', ['-MYAML::XS', '-e', '1']).status === 0

/** What SyTest does to the generated file before it starts a server with it. */
const SYTEST_EDITS = `
  use JSON (); use JSON::PP ();
  local $YAML::XS::Boolean = "JSON::PP";
  local $/; my $config = YAML::XS::Load(<STDIN>);
  $config->{global}->{server_name} = "localhost:8801";
  $config->{global}->{private_key} = "/tmp/server-0/matrix_key.pem";
  $config->{global}->{server_notices}->{enabled} = JSON::PP::false;
  $config->{app_service_api}->{config_files} = [];
  $config->{client_api}->{registration_shared_secret} = "reg_secret";
  $config->{federation_api}->{federation_certificates} = ["/tmp/server-0/server.crt"];
  $config->{federation_api}->{disable_tls_validation} = JSON::PP::true;
  $config->{user_api}->{push_gateway_disable_tls_validation} = JSON::PP::true;
  $config->{logging} = [{ type => "file", level => "trace", params => { path => "/tmp/server-0/dendrite-logs" } }];
  print YAML::XS::Dump($config);
`

describe.skipIf(!hasPerl)('SyTest (needs perl with libyaml-libyaml-perl)', () => {
  it('can edit the file with its YAML reader, and the server understands the result', async () => {
    const yaml = await generate('-ci', '-dir', '/tmp/server-0', '-db', SYTEST_DB)
    const { stdout, status, stderr } = spawnSync('perl', ['-MYAML::XS', '-e', SYTEST_EDITS], {
      input: yaml,
      encoding: 'utf8',
    })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    const cwd = newFolder()
    writeFileSync(join(cwd, 'dendrite.yaml'), stdout)
    const { config } = loadConfig({ env: {}, cwd })
    expect(config.global.server_name).toBe('localhost:8801')
    expect(config.room_server.default_room_version).toBe('10')
    expect(config.client_api).toMatchObject({ registration_disabled: false, registration_shared_secret: 'reg_secret' })
    expect(config.client_api.rate_limiting.enabled).toBe(false)
    expect(config.federation_api).toMatchObject({
      disable_tls_validation: true,
      deny_networks: [],
      key_perspectives: [],
    })
    expect(databaseTarget(config, {})).toMatchObject({
      connectionString: 'postgresql://sytest:sytest@localhost:5432/sytest_8800_0?sslmode=disable',
    })
    expect(config.logging[0]).toMatchObject({ type: 'file', level: 'trace' })
  })
})
