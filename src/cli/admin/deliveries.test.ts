/** `sett admin webhooks` and `sett admin log stream` over the API: what they set, show, and say is wrong. */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { AdminWorld } from '../../../test/support/admin-world.ts'

suite('where events and logs are sent', () => {
  let at: AdminWorld
  const folder = mkdtempSync(join(tmpdir(), 'sett-deliveries-'))
  const token = join(folder, 'token')
  before(async () => {
    writeFileSync(token, 'very-secret\n')
    at = await AdminWorld.make()
  })
  after(() => {
    at.close()
    rmSync(folder, { recursive: true })
  })

  test('an endpoint is made with its secret, listed, shown, changed, tested, rotated and removed', async () => {
    assert.equal(await at.admin('webhooks', 'list'), 'No webhooks.\n')
    const made = await at.admin('webhooks', 'create', 'https://hooks.test/x', '--events', 'nodeCreated, policyUpdate')
    const [, id = '', secret = ''] = /^Id: +(\w+CNTRL)\nSecret: +(tskey-webhook-\1-\w{28})\n$/.exec(made) ?? []
    assert.notEqual(id, '', made)
    assert.match(
      await at.admin('webhooks', 'list'),
      new RegExp(`${id} +https://hooks.test/x +json +\\S+ .*nodeCreated policyUpdate\n`),
    )
    const shown = await at.admin('webhooks', 'show', id)
    assert.ok(/Delivered: +0\nLast delivery: +never\n/.test(shown) && !shown.includes(secret), shown)
    assert.match(
      await at.admin('webhooks', 'set', id, '--events', 'categoryTailnetManagement'),
      /is told of categoryTailnetManagement/,
    )
    assert.match(await at.admin('webhooks', 'test', id), /on its way/)
    const rotated = await at.admin('webhooks', 'rotate', id)
    assert.match(rotated, new RegExp(`^tskey-webhook-${id}-\\w{28}\n$`))
    assert.notEqual(rotated.trim(), secret)
    const log = await at.admin('log')
    for (const event of ['CREATE', 'UPDATE.SUBSCRIBED_EVENTS', 'UPDATE.SECRET'])
      assert.ok(log.includes(`WEBHOOK_ENDPOINT.${event} `), event)
    assert.equal(await at.admin('webhooks', 'delete', id), `Removed ${id}\n`)
    const chat = await at.adminJson('webhooks', 'create', 'https://chat.test', '--type', 'slack')
    assert.deepEqual(chat.subscriptions, ['categoryTailnetManagement', 'categoryDeviceMisconfigurations'])
    assert.equal(chat.providerType, 'slack')
  })

  test('a stream is set, shown without its secrets, kept when it is set anew, and removed', async () => {
    const to = ['log', 'stream', 'set', 'splunk', '--to', 'https://splunk.test']
    await at.admin(...to, '--token-file', token, '--period', '5', '--compression', 'gzip')
    const shown = await at.admin('log', 'stream', 'show')
    for (const line of [
      /Destination: +splunk\n/,
      /URL: +https:\/\/splunk.test\n/,
      /Period: +5 min\n/,
      /Compression: +gzip\n/,
      /Entries sent: +0\n/,
      /Last sent: +never\n/,
    ])
      assert.match(shown, line)
    await at.admin(...to)
    const { status, ...config } = await at.adminJson('log', 'stream', 'show')
    assert.deepEqual(config, {
      logType: 'configuration',
      destinationType: 'splunk',
      url: 'https://splunk.test',
      compressionFormat: 'none',
    })
    assert.equal(Object.keys(status).length, 12)
    assert.ok(!(await at.admin('log', '--json')).includes('very-secret'))
    const elsewhere = await at.ran('log', 'stream', 'set', 'splunk', '--to', 'https://other.test')
    assert.match(elsewhere.err, /token: want the token/)
    await at.admin('log', 'stream', 'set', 'syslog', '--to', 'tls://s.test', '--network')
    assert.match(await at.admin('log', 'stream', 'show', '--network'), /Last error: +.*no network flow logs/)
    for (const more of [[], ['--network']]) await at.admin('log', 'stream', 'remove', ...more)
    assert.match((await at.ran('log', 'stream', 'show')).err, /log stream not found/)
  })

  test('what is wrong is said', async () => {
    const stream = (...args: string[]) => ['log', 'stream', 'set', ...args]
    const rows: [string[], number, RegExp][] = [
      [['webhooks', 'create', 'http://hooks.test'], 1, /endpointUrl: want an https:\/\//],
      [['webhooks', 'create', 'https://user:pass@hooks.test'], 1, /endpointUrl/],
      [['webhooks', 'create', 'https://hooks.test', '--events', 'nothing'], 1, /subscriptions/],
      [['webhooks', 'create', 'https://hooks.test', '--type', 'irc'], 2, /irc/],
      [['webhooks', 'show', 'NobodyCNTRL'], 1, /webhook not found/],
      [stream('loki', '--to', 'https://x.test'), 2, /No destination "loki"/],
      [stream('splunk', '--to', 'http://splunk.test', '--token-file', token), 1, /url: want/],
      [stream('splunk', '--token-file', token), 1, /url: want/],
      [stream('splunk', '--to', 'https://x.test', '--token-file', '/nowhere'), 2, /Cannot read \/nowhere/],
      [stream('splunk', '--to', 'https://x.test', '--token-file', token, '--period', 'x'), 2, /minutes/],
      [stream('s3', '--region', 'eu-central-1'), 1, /s3Bucket/],
      [stream('s3', '--bucket', 'audit', '--region', 'eu-central-1', '--access-key-id', 'A'), 1, /s3SecretAccessKey/],
      [stream('syslog', '--to', 'udp://x.test'), 1, /tls:\/\/HOST:PORT/],
      [stream('syslog', '--to', 'tls://x.test', '--compression', 'gzip'), 1, /compressionFormat/],
    ]
    for (const [args, code, message] of rows) {
      const ran = await at.ran(...args)
      assert.deepEqual([ran.code, message.test(ran.err)], [code, true], `${args.join(' ')}: ${ran.err}`)
    }
  })
})
