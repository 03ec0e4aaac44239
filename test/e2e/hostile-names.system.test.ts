/**
 * Advisory 10: a machine may call itself what it likes; what reaches maps, the API, pages, tables and logs is a valid
 * DNS label, or is shown as text that can do nothing.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { ControlClient, registerBody } from '../support/control-client.ts'
import { Coord } from './coord.ts'
import { drawKey, Node, publicNodeKey } from './node.ts'
import { run, SETT } from './program.ts'

const HOSTILE = [
  '$(reboot)',
  '`reboot`',
  'a; reboot #',
  '"><script>alert(1)</script>',
  "'><img src=x onerror=alert(1)>",
  'a\nHost *\n  ProxyCommand reboot',
  'a\r\n\r\nHTTP/1.1 200 OK',
  '\u001b[31mred\u001b[2J\u0007',
  '\u009b31m',
  '\u0000nul',
  '../../etc/passwd',
  '-oProxyCommand=reboot',
  "'; DROP TABLE records; --",
  '%s%n%x',
  '{{7*7}}${7*7}',
  '\u202egnp.exe',
  'two\u2028lines',
  'zero\u200bwidth',
  'ünïcödé-Ω',
  '💥',
  '\ud800lone',
  'İstanbul',
  'K\u212aelvin',
  'x'.repeat(1000),
  `${'a'.repeat(63)}.b`,
  'a-'.repeat(40),
  '',
  '.',
  '---',
  '*',
  'UPPER.local',
  'home.sett.internal',
  'constructor',
  '__proto__',
] as const

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
/** What can move a cursor, begin a line, or change the direction of reading. */
// oxlint-disable-next-line no-control-regex
const ACTIVE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/

let coord: Coord
let watcher: Node
before(async () => {
  coord = await Coord.start({ level: 'trace', format: 'text' })
  watcher = await Node.join(coord, { authKey: await coord.createKey(), hostname: 'watcher' })
})
after(async () => {
  watcher?.close()
  await coord?.remove()
})

interface Device {
  readonly name: string
  readonly hostname: string
  readonly nodeId: string
}
const devices = async () => (await coord.admin<{ devices: Device[] }>('GET', '/tailnet/-/devices?fields=all')).devices
const labelOf = (name: string) => name.split('.', 1)[0] as string

describe('machines that join by key', () => {
  before(async () => {
    const authKey = await coord.createKey()
    const joining = HOSTILE.map(async (hostname) => {
      const hostinfo = { OS: hostname, OSVersion: hostname, IPNVersion: hostname, DeviceModel: hostname }
      return await Node.join(coord, { authKey, hostname, hostinfo })
    })
    for (const node of await Promise.all(joining)) node.close()
    await watcher.until(() => watcher.peers.size === HOSTILE.length, 'all of them')
  })

  test('have valid names in maps and API, each its own', async () => {
    const inMap = [...watcher.peers.values()].map((peer) => peer.Name)
    const inApi = (await devices()).map(({ name }) => name).filter((name) => labelOf(name) !== 'watcher')
    assert.deepEqual(new Set(inMap), new Set(inApi.map((name) => `${name}.`)))
    assert.equal(new Set(inApi).size, HOSTILE.length)
    for (const name of inApi) {
      assert.match(labelOf(name), LABEL)
      assert.equal(name.slice(labelOf(name).length), '.home.sett.internal')
    }
  })

  test('have what they call themselves in that one member, as JSON text', async () => {
    for (const device of await devices()) {
      const { hostname, ...rest } = device as Device & Record<string, unknown>
      for (const [member, value] of Object.entries(rest))
        if (!['os', 'clientVersion'].includes(member))
          assert.doesNotMatch(JSON.stringify(value), /\\[unrbft]|[<>`$;*]/, member)
      assert.ok(
        hostname === 'watcher' || HOSTILE.some((each) => each.toWellFormed().replace('\0', '\ufffd') === hostname),
        hostname,
      )
    }
  })

  test('can’t be renamed to anything that is no label', async () => {
    const device = (await devices()).find(({ hostname }) => hostname === '$(reboot)') as Device
    for (const name of HOSTILE) {
      const body = { name }
      await coord.admin('POST', `/device/${device.nodeId}/name`, body).catch((error: Error) => {
        assert.match(error.message, / (400|409) /)
      })
      for (const each of await devices()) assert.match(labelOf(each.name), LABEL, JSON.stringify(name))
    }
    await coord.admin('POST', `/device/${device.nodeId}/name`, { name: '' })
  })

  test('stand in the tables of `sett admin` a line each, and move no cursor', async () => {
    const { code, out, err } = await run(SETT, ['admin', '--socket', coord.socket, 'nodes', 'list'])
    assert.deepEqual([code, err], [0, ''])
    const lines = out.trimEnd().split('\n')
    assert.equal(lines.length, 1 + 1 + HOSTILE.length)
    assert.doesNotMatch(out, ACTIVE)
    const odd = (await devices()).filter(({ hostname }) => ACTIVE.test(hostname) || hostname.includes('\n'))
    assert.ok(odd.length >= 7)
    for (const { nodeId } of odd.slice(0, 4)) {
      const shown = await run(SETT, ['admin', '--socket', coord.socket, 'nodes', 'show', nodeId])
      assert.equal(shown.code, 0)
      assert.doesNotMatch(shown.out, ACTIVE)
      for (const line of shown.out.trimEnd().split('\n')) assert.match(line, /^[A-Z][\w ]+: /)
    }
  })
})

describe('machines that wait for a login', () => {
  /** One address may look at a few hundred pages at once. */
  const ASKING = HOSTILE.filter((name) => ACTIVE.test(name) || /[\n<$]/.test(name)).slice(0, 14)
  const codes = new Map<string, string>()

  async function beginLogin(hostname: string): Promise<string> {
    const client = await ControlClient.connect({ url: coord.url })
    const { text } = await client.register({
      ...registerBody({ nodeKey: publicNodeKey(drawKey()), hostname }),
      Hostinfo: { Hostname: hostname, OS: hostname, RequestTags: [hostname] },
    })
    client.close()
    return (JSON.parse(text) as { AuthURL: string }).AuthURL.split('/').at(-1) as string
  }
  before(async () => {
    for (const hostname of ['harmless', ...ASKING]) codes.set(hostname, await beginLogin(hostname))
  })

  test('are values on their page and nothing else', async () => {
    const pageOf = async (hostname: string) => await coord.http('GET', `/login/${codes.get(hostname)}`)
    /** The page without what it says of the device: all that is left must be ours. */
    const bones = (html: string, hostname: string) =>
      html.replace(/<dd>[^<>]*<\/dd>/g, '<dd></dd>').replaceAll(codes.get(hostname) ?? '', 'CODE')
    const harmless = await pageOf('harmless')
    assert.equal(harmless.status, 200)
    for (const hostname of ASKING) {
      const { status, text, headers } = await pageOf(hostname)
      assert.equal(status, 200)
      assert.equal(bones(text, hostname), bones(harmless.text, 'harmless'), JSON.stringify(hostname))
      assert.doesNotMatch(text, ACTIVE)
      assert.match(
        String(headers['content-security-policy']),
        /^default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'; form-action 'none'/,
      )
      assert.ok(!ACTIVE.test(JSON.stringify(headers)))
    }
  })

  test('are a line each in `sett admin login list`, and move no cursor when they are let in or turned away', async () => {
    const args = ['admin', '--socket', coord.socket, 'login']
    const listed = await run(SETT, [...args, 'list'])
    assert.deepEqual([listed.code, listed.err], [0, ''])
    assert.doesNotMatch(listed.out, ACTIVE)
    assert.equal(listed.out.trimEnd().split('\n').length, 1 + codes.size)
    const escape = codes.get('\u001b[31mred\u001b[2J\u0007') ?? ''
    const lines = codes.get('a\nHost *\n  ProxyCommand reboot') ?? ''
    for (const decide of [
      ['approve', escape, '--user', 'admin@home.sett.internal'],
      ['refuse', lines, '--reason', 'no'],
    ]) {
      const { code, out } = await run(SETT, [...args, ...decide])
      assert.equal(code, 0)
      assert.doesNotMatch(out, ACTIVE)
      assert.equal(out.split('\n').length, 2, out)
    }
  })
})

test('texts that administrators write are one line, or refused', async () => {
  const { nodeId } = (await devices())[0] as Device
  const texts = HOSTILE.filter((each) => ACTIVE.test(each) || each.includes('\n')).slice(0, 9)
  for (const [i, text] of texts.entries())
    for (const [path, body] of [
      ['/sett/tailnets', { name: text }],
      ['/sett/tailnet/-/users', { loginName: text }],
      ['/sett/tailnet/-/users', { loginName: `ann${i}`, displayName: text }],
      ['/tailnet/-/keys', { description: text }],
      ['/tailnet/-/keys', { capabilities: { devices: { create: { tags: [`tag:${text}`] } } } }],
      ['/sett/tailnet/-/tokens', { description: text }],
      ['/sett/tailnet/-/tokens', { scopes: [text] }],
      [`/device/${nodeId}/tags`, { tags: [`tag:${text}`] }],
      [`/device/${nodeId}/routes`, { routes: [text] }],
    ] as const)
      // What may be invisible inside a line is harmless there: a name of many scripts needs it.
      await coord.admin('POST', path, body).then(
        () => assert.doesNotMatch(text, /[\p{Cc}\p{Zl}\p{Zp}]/u, `${path} took ${JSON.stringify(body)}`),
        (error: Error) => assert.match(error.message, / 400 \{"message":/),
      )
})

test('no line of the logs can be forged', () => {
  const lines = coord.log.trimEnd().split('\n')
  assert.ok(lines.length > 100)
  for (const line of lines) {
    assert.match(line, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (trace|debug|info |warn ) \S/)
    assert.doesNotMatch(line, ACTIVE)
  }
})
