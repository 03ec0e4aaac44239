/**
 * Webhooks and log streams through the official client of API v2: every call of these resources, and what it reads back
 * without a difference. (api-v2.md §8.1, checklist 40, 41, 44)
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { SUBSCRIPTIONS } from '../../src/wire/webhook-events.ts'
import { ApiClient, type Auth } from './driver/apiclient.ts'
import { interopMissing, World } from './driver/world.ts'

const skip = interopMissing()

let world: World
let api: ApiClient
let admin: Auth

type Row = Record<string, any>

before(async () => {
  if (skip !== false) return
  world = await World.open()
  const { server, serverNamespace } = world
  // Tokens are taken on loopback, or over TLS.
  api = await ApiClient.start(serverNamespace, 'http://127.0.0.1:8080')
  await server.admin('users', 'create', 'anna@example.com', '--role', 'admin')
  admin = { key: (await server.admin('tokens', 'create', '--user', 'anna@example.com')).trim() }
})
after(async () => {
  if (skip === false) await world?.close()
})

const call = <T = Row>(name: string, args: object = {}) => api.call<T>(admin, name, args)

test('webhooks: made with a secret, shown without, changed, tested, rotated, removed', { skip }, async () => {
  const wanted = { endpointUrl: 'https://hooks.example.com/x', providerType: '', subscriptions: ['nodeCreated'] }
  const { secret, ...made } = await call('webhooks.Create', wanted)
  assert.match(secret, /^tskey-webhook-/)
  assert.equal(made['creatorLoginName'], 'anna@example.com')
  for (const [name, value] of Object.entries(wanted)) assert.deepEqual(made[name], value)
  const id = made['endpointId'] as string
  assert.deepEqual(await call('webhooks.Get', { id }), made)
  assert.deepEqual(await call('webhooks.List'), [made])
  const all = await call('webhooks.Update', { id, subscriptions: SUBSCRIPTIONS })
  assert.deepEqual(all['subscriptions'], [...SUBSCRIPTIONS])
  await call('webhooks.Test', { id })
  const rotated = await call('webhooks.RotateSecret', { id })
  assert.match(rotated['secret'], /^tskey-webhook-/)
  assert.notEqual(rotated['secret'], secret)
  await call('webhooks.Delete', { id })
  assert.equal((await api.failure(admin, 'webhooks.Get', { id })).notFound, true)
  assert.equal(
    (await api.failure(admin, 'webhooks.Create', { ...wanted, endpointUrl: 'http://h.example' })).status,
    400,
  )
  assert.equal((await api.failure(admin, 'webhooks.Create', { ...wanted, subscriptions: ['nothing'] })).status, 400)
})

test('log streams: every member but the secrets is read back as it was set', { skip }, async () => {
  const rows = [
    {
      logType: 'configuration',
      config: { destinationType: 'splunk', url: 'https://c.example.com', user: 'user', compressionFormat: 'none' },
      secrets: { token: 'hidden' },
    },
    {
      logType: 'network',
      config: {
        destinationType: 's3',
        s3Bucket: 'bucket',
        s3Region: 'us-west-2',
        s3KeyPrefix: 'logs/',
        s3AuthenticationType: 'accesskey',
        s3AccessKeyId: 'AKIA',
        uploadPeriodMinutes: 5,
        compressionFormat: 'zstd',
      },
      secrets: { s3SecretAccessKey: 'hidden' },
    },
    {
      logType: 'network',
      config: {
        destinationType: 's3',
        s3Bucket: 'bucket',
        s3Region: 'us-west-2',
        s3AuthenticationType: 'rolearn',
        s3RoleArn: 'arn:aws:iam::123456789012:role/x',
        s3ExternalId: 'ext',
        compressionFormat: 'none',
      },
      secrets: {},
    },
    {
      logType: 'configuration',
      config: {
        destinationType: 'gcs',
        gcsBucket: 'bucket',
        gcsKeyPrefix: 'x/',
        gcsScopes: ['a', 'b'],
        gcsCredentials: '{"type":"external_account"}',
        compressionFormat: 'gzip',
      },
      secrets: {},
    },
  ]
  for (const { logType, config, secrets } of rows) {
    await call('logging.SetLogstreamConfiguration', { logType, config: { ...config, ...secrets } })
    assert.deepEqual(await call('logging.LogstreamConfiguration', { logType }), { logType, ...config })
  }
  for (const logType of ['configuration', 'network']) {
    await call('logging.DeleteLogstreamConfiguration', { logType })
    assert.equal((await api.failure(admin, 'logging.LogstreamConfiguration', { logType })).notFound, true)
  }
  const { externalId } = await call('logging.CreateOrGetAwsExternalId', { reusable: true })
  assert.equal((await call('logging.CreateOrGetAwsExternalId', { reusable: true }))['externalId'], externalId)
  assert.notEqual((await call('logging.CreateOrGetAwsExternalId', { reusable: false }))['externalId'], externalId)
  const role = { id: externalId, roleArn: 'arn:aws:iam::123456789012:role/x' }
  assert.equal((await api.failure(admin, 'logging.ValidateAWSTrustPolicy', role)).status, 422)
})
