/**
 * The official daemon joins without an auth key: by an OAuth secret, which `tailscale up` exchanges at `baseURL`, and by
 * an ID token, which it exchanges at the control URL. (api-v2.md §2.3, checklist 5 and 6)
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { tunMissing } from '../lab/available.ts'
import { chosenClient, NEWEST } from './driver/build.ts'
import { type Issuer, startIssuer } from './driver/issuer.ts'
import { Official } from './driver/official.ts'
import { type Ran, ranIn } from './driver/ran.ts'
import { interopMissing, World } from './driver/world.ts'

const skip =
  interopMissing() ||
  tunMissing() ||
  (chosenClient() === NEWEST ? false : 'the daemon is built for the newest version only')

let world: World
let issuer: Issuer
const POLICY = { tagOwners: { 'tag:ci': [], 'tag:runner': ['tag:ci'], 'tag:prod': [] }, grants: [] }

before(async () => {
  if (skip !== false) return
  // Over TLS: nobody may read secrets along the way, and the API does not answer otherwise.
  world = await World.open({ tls: true })
  issuer = await startIssuer(world.serverNamespace)
  await world.server.api('POST', '/api/v2/tailnet/-/acl', POLICY)
})
after(async () => {
  if (skip === false) await world?.close()
})

type Made = { readonly id: string; readonly key?: string; readonly audience?: string }

async function daemon(name: string): Promise<Official> {
  const official = new Official(await world.machine(name), world)
  await official.start()
  return official
}

/** The command itself asks the server, before the daemon does. */
function up({ where, socket, name }: Official, ...flags: string[]): Promise<Ran> {
  const trust = Object.entries(world.clientEnv).map(([variable, value]) => `${variable}=${value}`)
  const command = [world.built.tailscale, `--socket=${socket}`, 'up']
  const login = [`--login-server=${world.control}`, `--hostname=${name}`, '--timeout=60s']
  return ranIn(where, 'env', [...trust, ...command, ...login, ...flags])
}

test('by an OAuth secret, with the tags that its client has or that these own', { skip }, async (t) => {
  const { id, key } = await world.server.adminJson<Made>(
    'oauth',
    'create',
    '--scopes=auth_keys',
    '--tags=tag:ci',
    '--description=runners',
  )
  const secret = (more = '') => `--auth-key=${key}?baseURL=${world.control}${more}`
  const one = await daemon('one')
  const began = performance.now()
  const joined = await up(one, secret(), '--advertise-tags=tag:ci')
  assert.equal(joined.code, 0, joined.err)
  t.diagnostic(`up by an OAuth secret: ${Math.round(performance.now() - began)} ms`)
  assert.equal((await one.status()).BackendState, 'Running')
  const device = await world.server.device('one')
  assert.deepEqual([device.tags, device.isEphemeral], [['tag:ci'], true])

  const two = await daemon('two')
  const owned = await up(two, secret('&ephemeral=false&preauthorized=true'), '--advertise-tags=tag:runner')
  assert.equal(owned.code, 0, owned.err)
  const other = await world.server.device('two')
  assert.deepEqual([other.tags, other.isEphemeral, other.authorized], [['tag:runner'], false, true])

  const three = await daemon('three')
  const foreign = await up(three, secret(), '--advertise-tags=tag:prod')
  assert.notEqual(foreign.code, 0)
  assert.match(foreign.err, /requested tags \[tag:prod\] are invalid or not permitted/)
  assert.match((await up(three, secret())).err, /require --advertise-tags/)
  await world.server.admin('oauth', 'revoke', id)
  const revoked = await up(three, secret(), '--advertise-tags=tag:ci')
  assert.notEqual(revoked.code, 0)
  assert.match(revoked.err, /invalid_client/)
  assert.notEqual((await three.status()).BackendState, 'Running')
})

test('by an ID token of an issuer that the tailnet trusts', { skip }, async (t) => {
  const { id, audience = '' } = await world.server.adminJson<Made>(
    'oauth',
    'federated',
    'create',
    `--issuer=${issuer.url}`,
    '--subject=repo:sett/*',
    '--scopes=auth_keys',
    '--tags=tag:ci',
    '--claim=environment=prod-*',
  )
  const token = (subject: string) => issuer.sign(audience, subject, { environment: 'prod-eu' })
  const four = await daemon('four')
  const began = performance.now()
  const joined = await up(
    four,
    `--client-id=${id}?ephemeral=false&preauthorized=true`,
    `--id-token=${await token('repo:sett/web')}`,
    '--advertise-tags=tag:ci',
  )
  assert.equal(joined.code, 0, joined.err)
  t.diagnostic(`up by an ID token: ${Math.round(performance.now() - began)} ms`)
  const device = await world.server.device('four')
  assert.deepEqual([device.tags, device.isEphemeral, device.authorized], [['tag:ci'], false, true])

  const five = await daemon('five')
  const foreign = await up(
    five,
    `--client-id=${id}`,
    `--id-token=${await token('repo:else/web')}`,
    '--advertise-tags=tag:ci',
  )
  assert.notEqual(foreign.code, 0)
  assert.match(foreign.err, /token exchange failed with status 400: .*claim \\?"sub\\?/)
  assert.notEqual((await five.status()).BackendState, 'Running')
})
