/** Webhooks and log streams over the API, as Terraform and people with their roles call them. (api-v2.md §4.6, §4.10, §8.2) */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RestWorld } from '../../../test/support/rest-world.ts'
import { SUBSCRIPTIONS } from '../../wire/webhook-events.ts'
import { eventName } from '../../wire/audit-filter.ts'
import type { AuditEntry } from '../model/audit.ts'

const T = '/tailnet/-/webhooks'
const STREAM = '/tailnet/-/logging/configuration/stream'
const SERVER = { server: true } as const
const HOOK = { endpointUrl: 'https://hooks.test/x', providerType: '', subscriptions: ['nodeCreated'] }

async function log(world: RestWorld): Promise<AuditEntry[]> {
  const rows = await world.ledger.logs.audit(world.alpha.num, 0, 10_000)
  return rows.map(({ entry }) => JSON.parse(entry) as AuditEntry)
}

test('tailscale_webhook: created with a secret, read without a difference, changed, removed', async () => {
  const world = await RestWorld.make()
  const { secret, ...made } = await world.post(T, { ...HOOK, extra: 'ignored' })
  assert.match(secret, new RegExp(`^tskey-webhook-${made.endpointId}-`))
  const path = `/webhooks/${made.endpointId}`
  assert.deepEqual(await world.get(path), made)
  assert.deepEqual((await world.get(T)).webhooks, [made])
  for (const [name, value] of Object.entries(HOOK)) assert.deepEqual(made[name], value)
  world.clock.advance(1000)
  const patched = await world.ask('PATCH', path, { ...SERVER, body: { subscriptions: SUBSCRIPTIONS } })
  assert.deepEqual(patched.body.subscriptions, [...SUBSCRIPTIONS])
  assert.notEqual(patched.body.lastModified, made.lastModified)
  // The address is not changed by it, and neither is anything when nothing changes.
  const again = await world.ask('PATCH', path, {
    ...SERVER,
    body: { subscriptions: SUBSCRIPTIONS, endpointUrl: 'https://other.test' },
  })
  assert.deepEqual(again.body, patched.body)
  assert.equal((await world.ask('DELETE', path, SERVER)).status, 200)
  assert.deepEqual((await world.ask('GET', path, SERVER)).body, { message: 'webhook not found' })
  const said = (await log(world)).filter(({ target }) => target.type === 'WEBHOOK_ENDPOINT').map(eventName)
  assert.deepEqual(said, [
    'WEBHOOK_ENDPOINT.CREATE',
    'WEBHOOK_ENDPOINT.UPDATE.SUBSCRIBED_EVENTS',
    'WEBHOOK_ENDPOINT.DELETE',
  ])
  const chat = await world.post(T, { ...HOOK, providerType: null })
  assert.equal(chat.providerType, '')
  await world.post(T, { ...HOOK, providerType: 'slack', endpointUrl: 'https://hooks.slack.test/services/T/hush' })
  await world.post(T, { ...HOOK, endpointUrl: 'https://hooks.test/x?token=hush' })
  const entries = (await log(world)).slice(-2)
  assert.deepEqual(
    entries.map(({ target }) => target.name),
    ['https://hooks.slack.test/…', 'https://hooks.test/x'],
  )
  assert.ok(!JSON.stringify(entries).includes('hush'), 'whoever reads the log could write into the chat')
})

test('addresses are https, or private ones in clear; never with a user, a fragment or blanks', async () => {
  const world = await RestWorld.make()
  const rows: readonly [string, number][] = [
    ['https://hooks.test', 200],
    ['https://hooks.test:8443/a?b=c', 200],
    ['https://[2001:db8::1]/x', 200],
    ['http://localhost:1/x', 200],
    ['http://10.1.2.3/x', 200],
    ['http://[fd12::1]:80/x', 200],
    ['http://hooks.test', 400],
    ['http://93.184.216.34/', 400],
    ['http://10.evil.test/', 400],
    ['http://localhost.evil.test/', 400],
    ['https://user:pass@hooks.test', 400],
    ['https://hooks.test/#x', 400],
    ['https://hooks.test/a b', 400],
    ['https://hooks.test\\@evil', 400],
    ['ftp://hooks.test', 400],
    ['file:///etc/passwd', 400],
    ['', 400],
  ]
  for (const [endpointUrl, want] of rows)
    assert.equal((await world.ask('POST', T, { ...SERVER, body: { ...HOOK, endpointUrl } })).status, want, endpointUrl)
})

test('whoever may make credentials may set webhooks, whoever may administer machines streams; auditors look', async () => {
  const world = await RestWorld.make()
  const { endpointId } = await world.post(T, HOOK)
  const stream = { destinationType: 'syslog', url: 'tls://s.test' }
  await world.ask('PUT', STREAM, { ...SERVER, body: stream })
  const rows = [
    ['owner', 200, 200, 200],
    ['admin', 200, 200, 200],
    ['network-admin', 200, 200, 403],
    ['it-admin', 200, 200, 200],
    ['billing-admin', 200, 403, 403],
    ['auditor', 200, 403, 403],
    ['member', 403, 403, 403],
  ] as const
  for (const [role, read, hook, log] of rows) {
    const token = world.alpha.tokens[role]
    const status = async (method: string, path: string, body?: unknown) =>
      (await world.ask(method, path, { token, body })).status
    assert.equal(await status('GET', `/webhooks/${endpointId}`), read, role)
    assert.equal(await status('GET', STREAM), read, role)
    assert.equal(await status('PATCH', `/webhooks/${endpointId}`, { subscriptions: [] }), hook, role)
    assert.equal(await status('POST', `/webhooks/${endpointId}/rotate`), hook, role)
    assert.equal(await status('PUT', STREAM, stream), log, role)
  }
})

test('a test waits until it is taken, and not more than ten do', async () => {
  const world = await RestWorld.make()
  const { endpointId } = await world.post(T, HOOK)
  const ask = async () => (await world.ask('POST', `/webhooks/${endpointId}/test`, SERVER)).status
  for (let i = 0; i < 10; i++) assert.equal(await ask(), 202)
  assert.equal(await ask(), 429)
})

test('tailscale_logstream_configuration: all but the secrets is read back as it was given, and secrets go nowhere else', async () => {
  const world = await RestWorld.make()
  const put = async (body: object) => await world.ask('PUT', STREAM, { ...SERVER, body })
  const splunk = { destinationType: 'splunk', url: 'https://c.test', user: 'user', compressionFormat: 'none' }
  assert.equal((await world.ask('GET', STREAM, SERVER)).status, 404)
  assert.equal((await world.ask('GET', `${STREAM}/status`, SERVER)).status, 404)
  assert.match((await put(splunk)).body.message, /token/)
  assert.equal((await put({ ...splunk, token: 'hush', uploadPeriodMinutes: 3 })).status, 200)
  assert.deepEqual(await world.get(STREAM), { logType: 'configuration', ...splunk, uploadPeriodMinutes: 3 })
  assert.equal((await put(splunk)).status, 200, 'the token stays')
  assert.equal((await put({ ...splunk, url: 'https://evil.test' })).status, 400, 'and does not go elsewhere')
  assert.equal((await put({ ...splunk, destinationType: 'axiom' })).status, 400)
  const s3 = { destinationType: 's3', s3Bucket: 'bucket', s3Region: 'eu-central-1', s3AccessKeyId: 'AK' }
  assert.match((await put(s3)).body.message, /s3SecretAccessKey/)
  assert.equal((await put({ ...s3, s3SecretAccessKey: 'hush' })).status, 200)
  assert.deepEqual(await world.get(STREAM), { logType: 'configuration', compressionFormat: 'none', ...s3 })
  const status = await world.get(`${STREAM}/status`)
  assert.equal(Object.keys(status).length, 12)
  assert.deepEqual([status.lastActivity, status.lastError], ['0001-01-01T00:00:00Z', ''])
  assert.equal((await world.ask('GET', '/tailnet/-/logging/nothing/stream', SERVER)).status, 404)
  assert.equal((await world.ask('DELETE', STREAM, SERVER)).status, 200)
  assert.equal((await world.ask('DELETE', STREAM, SERVER)).status, 404)
  const entries = await log(world)
  const said = entries.map(eventName).filter((name) => /LOGSTREAM|SECRET/.test(name))
  assert.deepEqual(said, [
    'TAILNET.CREATE.LOGSTREAM_ENDPOINT',
    'TAILNET.UPDATE.LOGSTREAM_ENDPOINT',
    'TAILNET.UPDATE.LOGSTREAM_ENDPOINT',
    'TAILNET.UPDATE.SECRET',
    'TAILNET.DELETE.LOGSTREAM_ENDPOINT',
  ])
  assert.ok(!JSON.stringify(entries).includes('hush'))
})

test('a private key is not taken for the configuration of a workload identity', async () => {
  const world = await RestWorld.make()
  const body = { destinationType: 'gcs', gcsBucket: 'b', gcsCredentials: '{"private_key":"x"}' }
  assert.match((await world.ask('PUT', STREAM, { ...SERVER, body })).body.message, /gcsCredentials/)
})
