/** What collectors are sent, byte by byte where they are particular, and what their answers mean. */

import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import { test } from 'node:test'
import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { textOf, utf8 } from '../../base/bytes.ts'
import type { Wall } from '../../base/clock.ts'
import { Secret } from '../../base/secret.ts'
import type { LogstreamConfig } from '../../wire/api/delivery-objects.ts'
import type { LogEntry, Making, Outgoing } from '../model/outgoing.ts'
import { cutAddress } from './address.ts'
import { signV4 } from './s3.ts'
import { faultOfUpload, fittingEntries, unsupported, uploadOf } from './upload.ts'

const making: Making = {
  sha256: (...parts) => createHash('sha256').update(Buffer.concat(parts)).digest(),
  hmac: (key, text) => createHmac('sha256', key).update(text).digest(),
  compress: (bytes, format) => (format === 'gzip' ? gzipSync(bytes) : zstdCompressSync(bytes)),
}
const NOW = Date.UTC(2026, 0, 2, 3, 4, 5, 678) as Wall
const source = { tailnet: 'home', tailnetId: 'TabcCNTRL', host: 'vpn.example.com' }
const entries: LogEntry[] = ['laptop', 'télé'].map((name, i) => ({
  number: 41 + i,
  at: (NOW + i) as Wall,
  group: `1-${41 + i}`,
  entry: {
    origin: 'CONFIG_API',
    actor: { id: '3', type: 'USER', loginName: 'anna@example.com' },
    target: { id: 'n7CNTRL', name, type: 'NODE' },
    action: 'CREATE',
    new: { a: 1 },
  },
}))
const record = (i: number) => {
  const { new: now, ...rest } = (entries[i] as LogEntry).entry
  return { type: 'CONFIG', eventGroupID: `1-${41 + i}`, ...rest, old: null, new: now }
}
const dated = (i: number) => ({ eventTime: `2026-01-02T03:04:05.${678 + i}Z`, ...record(i) })

function upload(config: Partial<LogstreamConfig>, more: { token?: string; secret?: string } = {}): Outgoing {
  return uploadOf(
    {
      config: { logType: 'configuration', destinationType: 'splunk', ...config },
      token: new Secret(more.token ?? 'tok'),
      s3SecretAccessKey: new Secret(more.secret ?? 'key'),
    },
    entries,
    source,
    NOW,
    making,
  )
}
type Http = Extract<Outgoing, { kind: 'http' }>
const http = (config: Partial<LogstreamConfig>): Http => upload(config) as Http
const lines = (body: Uint8Array) =>
  (textOf(body) as string)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

test('an HTTP event collector gets objects one after another, without their inner time', () => {
  const out = http({ url: 'https://splunk.test:8088', user: 'sett' })
  const event = (i: number) =>
    JSON.stringify({
      time: (NOW + i) / 1000,
      event: record(i),
      fields: { recorded: `2026-01-02T03:04:05.${678 + i}Z` },
    })
  assert.equal(textOf(out.body), `${event(0)}${event(1)}`)
  assert.equal(out.url, 'https://splunk.test:8088/services/collector/event')
  assert.equal(out.headers['Authorization'], `Basic ${btoa('sett:tok')}`)
  assert.equal(out.headers['User-Agent'], 'TailscaleLogStreamPublisher')
  assert.equal(http({ url: 'https://splunk.test/own?x=1' }).url, 'https://splunk.test/own?x=1')
})

test('each destination has its address and its way to prove who asks', () => {
  const rows: readonly [LogstreamConfig['destinationType'], string, string, readonly [string, string]][] = [
    [
      'splunk',
      'https://c.test',
      'https://c.test/services/collector/event',
      ['Authorization', `Basic ${btoa('user:tok')}`],
    ],
    [
      'cribl',
      'https://c.test/',
      'https://c.test/services/collector/event',
      ['Authorization', `Basic ${btoa('user:tok')}`],
    ],
    ['panther', 'https://c.test/http/1', 'https://c.test/http/1', ['Authorization', `Basic ${btoa('user:tok')}`]],
    ['crowdstrike', 'https://c.test', 'https://c.test/services/collector/event', ['Authorization', 'Bearer tok']],
    ['elastic', 'https://c.test/audit', 'https://c.test/audit/_bulk', ['Authorization', `Basic ${btoa('user:tok')}`]],
    ['elastic', 'https://c.test/_bulk', 'https://c.test/_bulk', ['Authorization', `Basic ${btoa('user:tok')}`]],
    ['datadog', 'https://c.test', 'https://c.test/api/v2/logs', ['DD-API-KEY', 'tok']],
    [
      'axiom',
      'https://c.test/v1/datasets/a/ingest',
      'https://c.test/v1/datasets/a/ingest',
      ['Authorization', 'Bearer tok'],
    ],
  ]
  for (const [destinationType, url, want, [name, value]] of rows) {
    const out = http({ destinationType, url })
    assert.deepEqual([out.url, out.headers[name]], [want, value], destinationType)
  }
})

test('Elasticsearch gets each entry under an id of its own, Datadog a list, Axiom lines', () => {
  const bulk = lines(http({ destinationType: 'elastic', url: 'https://c.test' }).body)
  assert.deepEqual(bulk[0], { create: { _index: 'sett-configuration', _id: 'TabcCNTRL-41' } })
  assert.deepEqual(bulk[3], { '@timestamp': dated(1).eventTime, ...dated(1) })
  const named = lines(http({ destinationType: 'elastic', url: 'https://c.test/audit' }).body)
  assert.deepEqual(named[0], { create: { _id: 'TabcCNTRL-41' } })
  const [list] = lines(http({ destinationType: 'datadog', url: 'https://c.test' }).body)
  assert.equal(list.length, 2)
  assert.deepEqual(JSON.parse(list[1].message), dated(1))
  assert.equal(list[0].ddtags, 'tailnet:home,logtype:configuration')
  assert.deepEqual(lines(http({ destinationType: 'axiom', url: 'https://c.test/x' }).body)[1], {
    _time: dated(1).eventTime,
    ...dated(1),
  })
})

test('bodies are compressed as asked for', () => {
  const plain = http({ url: 'https://c.test' })
  assert.equal(plain.headers['Content-Encoding'], undefined)
  for (const [format, open] of [
    ['gzip', gunzipSync],
    ['zstd', zstdDecompressSync],
  ] as const) {
    const out = http({ url: 'https://c.test', compressionFormat: format })
    assert.equal(out.headers['Content-Encoding'], format)
    assert.deepEqual(Buffer.from(open(out.body)), Buffer.from(plain.body))
  }
})

test('syslog messages have their length in bytes before them', () => {
  const out = upload({ destinationType: 'syslog', url: 'tls://s.test' })
  assert.equal(out.kind, 'stream')
  let rest = Buffer.from(out.body)
  for (const i of [0, 1]) {
    const [, length = ''] = /^(\d+) /.exec(rest.toString('latin1')) ?? []
    const start = length.length + 1
    const line = rest.subarray(start, start + Number(length)).toString('utf8')
    const head = `<109>1 2026-01-02T03:04:05.${678 + i}Z vpn.example.com sett - CONFIG - `
    assert.ok(line.startsWith(head), line)
    assert.deepEqual(JSON.parse(line.slice(head.length)), { tailnet: 'home', ...dated(i) })
    rest = rest.subarray(start + Number(length))
  }
  assert.equal(rest.length, 0)
})

test('the signature of AWS is as in its own example', () => {
  const headers = { date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' }
  const signed = signV4(
    {
      method: 'PUT',
      url: 'https://examplebucket.s3.amazonaws.com/test%24file.text',
      headers,
      body: utf8('Welcome to Amazon S3.'),
    },
    {
      region: 'us-east-1',
      service: 's3',
      accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
      secret: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
    },
    Date.UTC(2013, 4, 24) as Wall,
    making,
  )
  assert.equal(
    signed['Authorization'],
    'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, ' +
      'SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class, ' +
      'Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
  )
})

test('objects are named by time and numbers, in the bucket’s own host or below the address of another store', () => {
  const s3 = { destinationType: 's3', s3Bucket: 'audit', s3Region: 'eu-central-1', s3AccessKeyId: 'AK' } as const
  const name = '2026/01/02/03-04-05-configuration-TabcCNTRL-41-42.json'
  const rows: readonly [Partial<LogstreamConfig>, string][] = [
    [{}, `https://audit.s3.eu-central-1.amazonaws.com/${name}`],
    [{ s3KeyPrefix: 'a b/' }, `https://audit.s3.eu-central-1.amazonaws.com/a%20b/${name}`],
    [{ url: 'https://minio.test:9000/', compressionFormat: 'gzip' }, `https://minio.test:9000/audit/${name}.gz`],
  ]
  for (const [more, want] of rows) {
    const out = http({ ...s3, ...more })
    assert.deepEqual([out.method, out.url], ['PUT', want])
    assert.match(out.headers['Authorization'] ?? '', /^AWS4-HMAC-SHA256 Credential=AK\/20260102\/eu-central-1\/s3/)
  }
  assert.deepEqual(lines(http(s3).body), [dated(0), dated(1)])
})

test('only an answer that says so is a success', () => {
  const answered = (status: number, body = '') => ({ kind: 'answered', status, body }) as const
  const config = (destinationType: LogstreamConfig['destinationType']): LogstreamConfig => ({
    logType: 'configuration',
    destinationType,
  })
  const items = (...statuses: number[]) =>
    JSON.stringify({ errors: true, items: statuses.map((status) => ({ create: { status } })) })
  const rows: readonly [LogstreamConfig['destinationType'], Parameters<typeof faultOfUpload>[1], RegExp | undefined][] =
    [
      ['splunk', answered(200), undefined],
      ['datadog', answered(202), undefined],
      ['splunk', answered(503), /answered 503/],
      ['splunk', answered(302), /redirects/],
      ['syslog', { kind: 'sent' }, undefined],
      ['syslog', { kind: 'failed', why: 'no way' }, /no way/],
      ['elastic', answered(200, '{"errors":false}'), undefined],
      ['elastic', answered(200, items(201, 409)), undefined],
      ['elastic', answered(200, items(201, 429, 400)), /refused 2 of 3 entries \(429\)/],
      ['elastic', answered(200, '<html>'), /no JSON/],
      ['elastic', answered(200, '{}'), /does not say/],
      ['elastic', answered(401, '{"errors":false}'), /401/],
    ]
  for (const [type, sent, want] of rows) {
    const fault = faultOfUpload(config(type), sent)
    if (want === undefined) assert.equal(fault, undefined, JSON.stringify(sent))
    else assert.match(fault ?? '', want)
  }
})

test('what this server can’t send to is said, and batches have an end', () => {
  const config = (more: Partial<LogstreamConfig>): LogstreamConfig => ({
    logType: 'configuration',
    destinationType: 's3',
    ...more,
  })
  assert.equal(unsupported(config({ s3AuthenticationType: 'accesskey' })), undefined)
  assert.match(unsupported(config({ s3AuthenticationType: 'rolearn' })) ?? '', /access key/)
  assert.match(unsupported(config({ destinationType: 'gcs' })) ?? '', /Google/)
  const many = Array.from({ length: 1500 }, () => entries[0] as LogEntry)
  assert.equal(fittingEntries(many), 1000)
  const [first] = entries as [LogEntry]
  const large = { ...first, entry: { ...first.entry, new: 'x'.repeat(5_000_000) } }
  assert.equal(fittingEntries([large, large]), 1)
})

test('addresses are cut where requests cut them', () => {
  assert.deepEqual(cutAddress('https://a.test:443/b/c?d=e'), {
    origin: 'https://a.test:443',
    host: 'a.test',
    path: '/b/c',
    query: '?d=e',
  })
  assert.equal(cutAddress('http://[::1]:8080').host, '[::1]:8080')
})
