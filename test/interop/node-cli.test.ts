/**
 * The official `tailscale` drives our daemon: what it does and prints is what it does and prints over an official daemon
 * that stands beside ours in the same network, verb by verb. The other direction is cli.test.ts.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import { tunMissing } from '../lab/available.ts'
import { Machine } from '../lab/machine.ts'
import { reachable } from '../lab/traffic.ts'
import { chosenClient, NEWEST } from './driver/build.ts'
import { Official } from './driver/official.ts'
import { type Ran, ranIn } from './driver/ran.ts'
import { until } from './driver/tsclient.ts'
import { interopMissing, World } from './driver/world.ts'

const skip =
  interopMissing() ||
  tunMissing() ||
  (chosenClient() === NEWEST ? false : 'the command line is built for the newest version only')

/** Asked of daemons that have no login. */
const LOGGED_OUT = `
status
ip
ping 100.64.0.1
whois 100.64.0.1
switch --list
switch nobody
wait --timeout=500ms
debug prefs
set --shields-up
set --shields-up=false
down
logout
`

/** Asked of daemons that run and see each other. OWN is the daemon's own machine, OTHER the other's. */
const RUNNING = `
status
status --self=false
status --peers=false
status --header
ip
ip -1
ip -4 OTHER
ip OTHER
ip --assert=OWN4
ip --assert=1.2.3.4
ip nobody
ping OTHER
ping --c=1 OTHER6
ping OWN4
ping --tsmp OTHER
ping --icmp OTHER
ping --peerapi OTHER
ping --c=1 --timeout=1s 100.99.99.99
whois OTHER4
whois OTHER6:80
whois --proto=udp OWN4:80
whois 100.99.99.99
wait --timeout=5s
set --accept-routes
set --accept-routes=false
set --hostname=OWN
set --advertise-routes=10.9.0.1/24
set --advertise-routes=10.9.0.0/24
set --advertise-routes=
set --exit-node=nobody
set --exit-node=1.2.3.4
set --exit-node=OTHER
set --exit-node-allow-lan-access
set --exit-node-allow-lan-access=false
set --shields-up
set --shields-up=false
set --nickname=here
set --operator=nobody
set --operator=
set --netfilter-mode=maybe
set --netfilter-mode=off
set --netfilter-mode=on
set --snat-subnet-routes=false
set --snat-subnet-routes
set --accept-dns=false
set --accept-dns
set --update-check=false
set --auto-update=false
set --advertise-connector=false
set --relay-server-static-endpoints=
set --report-posture=false
set --relay-server-port=70000
switch --list
switch nobody
debug prefs
debug prefs --pretty
debug derp-map
debug localapi GET v0/nothing
debug restun
debug rebind
debug nosuch
up
up --hostname=a..b
up --shields-up
up --hostname=OWN --login-server=http://other:1
up --advertise-routes=10.0.0.1/8
down
down
status
ip
ip OTHER
whois OTHER4
ping OTHER
up
status
`

/** What ours refuses, since it is not built; each by its own words. */
const NOT_BUILT: readonly (readonly [line: string, words: string])[] = [
  ['set --ssh', 'This version of Sett has no SSH server.'],
  ['set --webclient', 'This version of Sett has no web interface for a node.'],
  ['set --relay-server-port=0', 'This version of Sett is no relay for peers.'],
  ['set --relay-server-static-endpoints=192.0.2.1:4', 'This version of Sett is no relay for peers.'],
  ['set --auto-update', 'This version of Sett does not update itself.'],
  ['set --advertise-connector', 'This version of Sett is no app connector.'],
  ['set --report-posture', 'This version of Sett tells the server nothing about the posture of a device.'],
  ['debug component-logs --for=1s magicsock', 'This version of Sett logs no component apart.'],
]

type Name = 'anna' | 'ben'
type Ips = { readonly [name in Name]: { readonly four: string; readonly six: string } }

describe('the official command line drives our daemon', { skip }, () => {
  let world: World
  let anna: Machine
  let ben: Official
  let login: { readonly url: string; readonly key: string }
  let ips: Ips = { anna: { four: '-', six: '-' }, ben: { four: '-', six: '-' } }

  before(async () => {
    world = await World.open()
    anna = new Machine(await world.machine('anna'))
    ben = new Official(await world.machine('ben'), world)
    await world.server.admin('users', 'create', 'owner@example.com')
    const { key } = await world.server.createKey({ reusable: true, user: 'owner@example.com' })
    login = { url: world.control, key }
    await Promise.all([anna.start(), ben.start()])
  })
  after(async () => world?.close())

  /** `tailscale` on the machine with our daemon. */
  function onOurs(...args: readonly string[]): Promise<Ran> {
    return ranIn(anna.where, world.built.tailscale, [`--socket=${anna.socket}`, ...args])
  }

  function wordsFor(own: Name, line: string): string[] {
    const other = own === 'anna' ? 'ben' : 'anna'
    const names = { OWN4: ips[own].four, OWN: own, OTHER4: ips[other].four, OTHER6: ips[other].six, OTHER: other }
    return line.split(' ').map((word) => word.replace(/OWN4?|OTHER[46]?/, (name) => names[name as keyof typeof names]))
  }

  /** What is printed, with nothing in it that differs from one machine to the next, from run to run and by version. */
  function plain(own: Name, { code, out, err }: Ran): Ran {
    const other = own === 'anna' ? 'ben' : 'anna'
    const replaced = (text: string): string =>
      [
        [ips[own].four, 'OWN4'],
        [ips[own].six, 'OWN6'],
        [ips[other].four, 'OTHER4'],
        [ips[other].six, 'OTHER6'],
        [own, 'OWN'],
        [other, 'OTHER'],
      ]
        .reduce((so, [from = '', to = '']) => so.replaceAll(from, to), text)
        .replace(/^Warning: client version .*\n/gm, '')
        // Columns are as wide as their longest entry.
        .replace(/ +/g, ' ')
        .replace(/\bn\w{11}CNTRL\b/g, 'ID')
        .replace(/\bin \d+m?s\b/g, 'in a while')
        .replace(/(OTHER4, |OTHER4:|OTHER6\]:)\d+/g, '$1PORT')
        .replace(/192\.168\.77\.\d+/g, 'LAN')
        .replace(/^[0-9a-f]{4} /gm, 'PROFILE ')
        // Theirs keeps what the network prefers, ours has nothing to update itself with.
        .replace('"Apply": false', '"Apply": null')
        .replace(/lookup nobody on .*/, 'lookup nobody')
        .replace(/\blinux .*$/gm, 'linux')
    return { code, out: replaced(out), err: replaced(err) }
  }

  async function compare(lines: string): Promise<void> {
    for (const line of lines.trim().split('\n')) {
      const [ours, theirs] = await Promise.all([onOurs(...wordsFor('anna', line)), ben.run(...wordsFor('ben', line))])
      assert.deepEqual(plain('anna', ours), plain('ben', theirs), line)
    }
  }

  test('before a login', async () => compare(LOGGED_OUT))

  test('up with a key', async () => {
    const up = (name: Name): string[] => [
      'up',
      `--login-server=${login.url}`,
      `--auth-key=${login.key}`,
      `--hostname=${name}`,
      '--timeout=60s',
    ]
    const [ours, theirs] = await Promise.all([onOurs(...up('anna')), ben.run(...up('ben'))])
    assert.deepEqual(plain('anna', ours), { code: 0, out: '', err: '' })
    assert.equal(theirs.code, 0)
    ips = { anna: await anna.addresses(), ben: await ben.addresses() }
    for (const [name, peer] of [
      ['anna', () => anna.peer('ben')],
      ['ben', () => ben.peer('anna')],
    ] as const)
      await until(`${name} sees the other`, async () => (await peer())?.Online === true)
    await reachable(anna.where, ips.ben.four)
    await until(
      'ben knows where anna answers over HTTP',
      async () => (await ben.peer('anna'))?.PeerAPIURL?.length === 2,
    )
    await until('anna knows as much of ben', async () => (await anna.peer('ben'))?.PeerAPIURL?.length === 2)
  })

  test('JSON is of one shape', async () => {
    for (const line of [
      'status --json',
      'status --json --peers=false',
      'whois --json OTHER4',
      'whois --json OWN4',
      'switch --list --json',
      'version --json --daemon',
    ]) {
      const [ours, theirs] = await Promise.all([onOurs(...wordsFor('anna', line)), ben.run(...wordsFor('ben', line))])
      assert.deepEqual(shapeOf(JSON.parse(ours.out)), shapeOf(JSON.parse(theirs.out)), line)
    }
  })

  test('asked the same, both daemons answer the same', { timeout: 120_000 }, async () => compare(RUNNING))

  test('what is not built is refused by name', async () => {
    for (const [line, words] of NOT_BUILT) {
      const { code, err } = await onOurs(...line.split(' '))
      assert.equal(code, 1, line)
      assert.ok(err.includes(words), err)
    }
  })

  test('netcheck asks the relays that our daemon knows', async () => {
    const { code, out, err } = await onOurs('netcheck', '--format=json')
    assert.equal(code, 0, err)
    assert.match(out, /"UDP": ?true/)
  })

  test('a second login, and the switch back', async () => {
    await world.server.admin('users', 'create', 'second@example.com')
    const { key } = await world.server.createKey({ user: 'second@example.com' })
    const flags = ['login', `--login-server=${login.url}`, `--auth-key=${key}`, '--nickname=second', '--timeout=60s']
    assert.equal((await onOurs(...flags)).code, 0)
    const listed = await onOurs('switch', '--list')
    assert.match(listed.out, / here\n/)
    assert.match(listed.out, / second\*\n/)
    assert.match((await onOurs('status')).out, / second@ +linux/)
    const switched = await onOurs('switch', 'here')
    assert.deepEqual(plain('anna', switched), { code: 0, out: 'Switching to account "here"\nSuccess.\n', err: '' })
    await reachable(anna.where, ips.ben.four)
    assert.equal((await onOurs('ip', '-4')).out, `${ips.anna.four}\n`)
    assert.equal((await onOurs('switch', 'remove', 'second')).code, 0)
    assert.doesNotMatch((await onOurs('switch', '--list')).out, /second/)
  })

  test('logout, and a login by link', async () => {
    assert.deepEqual(plain('anna', await onOurs('logout')), { code: 0, out: '', err: '' })
    assert.match((await onOurs('status')).out, /^Logged out\.\n/)
    const asking = anna.where.spawn(world.built.tailscale, [
      `--socket=${anna.socket}`,
      'up',
      `--login-server=${login.url}`,
      '--hostname=anna',
      '--timeout=60s',
    ])
    const [, url = ''] = await asking.waitFor(/To authenticate, visit:\s+(\S+)/)
    assert.match((await onOurs('status')).out, new RegExp(`^Log in at: ${url}`, 'm'))
    await world.server.approveLogin(url, 'owner@example.com')
    assert.equal((await asking.ended).code, 0, asking.output)
    assert.match(asking.output, /Success\.\n/)
    await reachable(anna.where, ips.ben.four)
  })
})

/**
 * The fields of a JSON value and their kinds; what is called by a key or a number is called alike. Left out is what
 * machines say of themselves, which is another's on each side, and the old list of capabilities: ours keeps one of both,
 * and no values and an empty list of them are one to it.
 */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? 'null' : [shapeOf(value[0])]
  if (value === null || typeof value !== 'object') return value === null ? 'null' : typeof value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => name !== 'Hostinfo' && name !== 'Capabilities')
      .map(([name, inner]) => [/^nodekey:|^\d+$/.test(name) ? 'KEY' : name, shapeOf(inner)]),
  )
}
