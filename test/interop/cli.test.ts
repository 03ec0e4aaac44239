/**
 * Our command line beside the official one. Against one and the same daemon, both ask for the same and print the same;
 * and `sett` drives an official daemon that has joined our server.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, before, suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { tunMissing } from '../lab/available.ts'
import type { Namespace } from '../lab/namespace.ts'
import { type Json } from '../support/fake-daemon.ts'
import { NodeCli, type Ran } from '../support/node-cli.ts'
import { buildClients, chosenClient, goMissing, NEWEST } from './driver/build.ts'
import { type Status, until } from './driver/tsclient.ts'
import { interopMissing, World } from './driver/world.ts'

const onlyNewest = chosenClient() === NEWEST ? false : 'the official command line is built for the newest version only'
const SETT = fileURLToPath(new URL('../../bin/sett', import.meta.url))

/** Runs a program to its end, whatever that is. */
async function ran(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile(command, args, { env, timeout: 60_000 }, (_error, out, err) =>
      resolve({ code: child.exitCode ?? -1, out, err }),
    )
  })
}

/** Both see a daemon that has joined, and are asked for this. */
const LINES = `
status
status --header
status --active --json
status --json --peers=false
status x
STATUS --self=0
status --nope
status --json=maybe
status --json --json
ip -1 -4
ip -6
ip --assert=100.64.0.1
ip --assert=1.2.3.4
ip alpha
ip beta.tail-scale.ts.net.
ip BETA
ip 100.64.9.9
ip a b
ping
ping 100.64.99.99
ping alpha
ping 100.64.0.1
ping -c 1 beta
ping --tsmp beta
ping --icmp beta
ping --peerapi beta
ping -c x beta
ping --timeout 5 beta
ping -c
whois
whois x
whois 100.64.0.1
whois --proto=tcp --json 100.64.0.2:1
wait x
version x
down x
down
down --reason=lunch
up extra
up --hostname=a..b
up --hostname=x_y
up --hostname=-a
up --hostname=it's
up --advertise-tags=1x,tag:ok
up --advertise-tags=foo:bar
up --advertise-tags=tag:a_b
up --advertise-routes=10.0.0.1/8
up --advertise-routes=::/0
up --advertise-routes=fd7a:115c:a1e0:b1a::/64
up --advertise-routes=fd7a:115c:a1e0:b1a:1:1::/96
up --exit-node-allow-lan-access
up --exit-node=100.64.0.1
up --exit-node=100.64.0.2
up --exit-node=1.2.3.4
up --exit-node=beta
up --exit-node=nobody
up --netfilter-mode=maybe
up --netfilter-mode=nodivert
up --host-routes=false
up --login-server=http://other:1 --hostname=alpha2 --accept-routes
up --shields-up --timeout=90s
up --operator=me --advertise-routes=10.0.0.0/8,192.168.0.0/16 --qr=false
up --reset
up --accept-routes --hostname=alpha2 --login-server=http://127.0.0.1:42483
up --accept-routes --hostname=alpha2 --login-server=http://127.0.0.1:42483 --advertise-exit-node --snat-subnet-routes=false
up --accept-routes --hostname=alpha2 --login-server=http://127.0.0.1:42483 --authkey=tskey-auth-x
up --accept-routes --hostname=alpha2 --login-server=http://127.0.0.1:42483 --advertise-tags=a
up --ssh --ssh
set
set --exit-node=
set --exit-node=auto:any
set --nickname=x --operator=o
set --auto-update
set --update-check=false --auto-update=false
set --relay-server-port=70000
set --relay-server-port=x
set --relay-server-port=0
set --relay-server-static-endpoints=1.2.3.4:5,[::1]:4,1.2.3.4:5
set --webclient
set --sync=false --remote-config
set --netfilter-mode=off
set --snat-subnet-routes=false --ssh --shields-up --accept-dns=false --report-posture
set --posture-checking --advertise-connector
set --accept-risk=all
set --advertise-exit-node --snat-subnet-routes=false
set --advertise-routes=10.0.0.0/8
set x
switch
switch --list
switch --list --json
switch --json
switch e500
switch nobody
switch remove
switch remove e500
logout x
logout --reason=because
login --login-server=http://127.0.0.1:42483 --auth-key=tskey-auth-x --nickname=work
debug nope
debug prefs
debug derp-map
debug netmap
debug control-knobs
debug localapi GET v0/derpmap
debug localapi nothing
debug localapi POST
debug restun
debug restun x
debug force-prefer-derp 1
debug set-expire
nosuchcommand
`
  .trim()
  .split('\n')

/** As ours would say it: the programs' names, and nothing of versions and of features that ours has not. */
function asOurs({ code, out, err }: Ran): Ran {
  const renamed = (text: string): string => text.replace(/(?<![\w./-])tailscale(d?)(?![\w./-])/g, 'sett$1')
  return {
    code,
    out: renamed(out.replace(/\n# Funnel:\n.*\n/, '')),
    err: renamed(err.replace(/^Warning: client version .*\n/m, '')),
  }
}

/** Help is told in words of our own; `set` has a recording, which fixes its layout. */
function withoutHelp(ran: Ran): Ran {
  return { ...ran, err: ran.err.includes('\nUSAGE\n') ? (ran.err.split('\n', 1)[0] as string) : ran.err }
}

/**
 * What changes something, in order. Ours warns of forwarding when it changes routes, and leaves out of an edit what the
 * daemon would not look at.
 */
function changes(requests: readonly string[]): unknown[] {
  return requests
    .filter((request) => !request.startsWith('GET '))
    .map((request) => {
      const at = request.indexOf(' {')
      if (at < 0) return request
      const body = JSON.parse(request.slice(at)) as Json
      const used = Object.entries(body).filter(
        ([name, value]) =>
          value !== null && (!request.startsWith('PATCH') || name.endsWith('Set') || `${name}Set` in body),
      )
      return [request.slice(0, at), Object.fromEntries(used)]
    })
}

test(
  'asked for the same, both command lines ask the daemon for the same and print the same',
  { skip: goMissing() || onlyNewest, timeout: 120_000 },
  async () => {
    const { tailscale } = await buildClients(NEWEST)
    await using cli = await NodeCli.start()
    for (const line of LINES) {
      const args = [`--socket=${cli.daemon.socket}`, ...line.split(' ')]
      cli.joined()
      const theirs = withoutHelp(asOurs(await ran(tailscale, args)))
      const theirChanges = changes(cli.daemon.requests)
      cli.joined()
      const ours = withoutHelp(await cli.run(...args))
      assert.deepEqual(ours, theirs, line)
      assert.deepEqual(changes(cli.daemon.requests), theirChanges, line)
    }
  },
)

suite('sett drives an official daemon', { skip: interopMissing() || tunMissing() || onlyNewest }, () => {
  let world: World
  let anna: Namespace
  let ben: Namespace
  let key: string

  async function daemonOn(at: Namespace): Promise<Namespace> {
    const args = ['--tun=tailscale0', `--statedir=${at.dir}/state`, `--socket=${at.dir}/d.sock`, '--no-logs-no-support']
    at.spawn(world.built.tailscaled, args, { env: { ...world.clientEnv, HOME: at.dir } })
    await until(`the daemon on ${at.name}`, async () => (await sett(at, 'status', '--json')).code === 0)
    return at
  }

  /** Runs our command line on a machine. */
  async function sett(at: Namespace, ...args: readonly string[]): Promise<Ran> {
    // The machine's own settings may name certificates that a namespace has not.
    const words = ['env', '-u', 'NODE_EXTRA_CA_CERTS', SETT, `--socket=${at.dir}/d.sock`, ...args]
      .map((word) => `'${word}'`)
      .join(' ')
    const text = await at.exec('sh', ['-c', `${words} 2>${at.dir}/err; echo "exit $?"`], { timeoutMs: 60_000 })
    const [, out = '', code = '-1'] = /^([^]*)exit (\d+)\n$/.exec(text) ?? []
    return { code: Number(code), out, err: await at.exec('cat', [`${at.dir}/err`]) }
  }

  async function official(at: Namespace, ...args: readonly string[]): Promise<string> {
    return at.exec(world.built.tailscale, [`--socket=${at.dir}/d.sock`, ...args])
  }

  async function stateOf(at: Namespace): Promise<string> {
    return (JSON.parse((await sett(at, 'status', '--json')).out) as Status).BackendState
  }

  before(async () => {
    world = await World.open()
    ;[anna, ben] = await Promise.all([world.machine('anna').then(daemonOn), world.machine('ben').then(daemonOn)])
    await world.server.admin('users', 'create', 'anna@example.com')
    key = (await world.server.createKey({ reusable: true, user: 'anna@example.com' })).key
  })
  after(async () => world?.close())

  test('up, wait, status, ip and version', { timeout: 120_000 }, async () => {
    assert.deepEqual(await sett(anna, 'status'), { code: 1, out: 'Logged out.\n', err: '' })
    const before = await sett(anna, 'ip')
    assert.deepEqual(before, { code: 1, out: '', err: 'no current Tailscale IPs; state: NeedsLogin\n' })
    for (const machine of [anna, ben]) {
      const args = [
        `--login-server=${world.control}`,
        `--authkey=${key}`,
        `--hostname=${machine.name}`,
        '--timeout=40s',
      ]
      assert.deepEqual(await sett(machine, 'up', ...args), { code: 0, out: '', err: '' })
      assert.equal((await sett(machine, 'wait', '--timeout=20s')).code, 0)
    }
    await until('anna sees ben', async () => / ben +anna@ +linux /.test((await sett(anna, 'status')).out))
    assert.equal((await sett(anna, 'ip')).out, await official(anna, 'ip'))
    assert.equal((await sett(anna, 'ip', '-4', 'ben')).out, await official(anna, 'ip', '-4', 'ben'))
    const daemon = (JSON.parse(await official(anna, 'version', '--daemon', '--json')) as { daemonLong: string })
      .daemonLong
    const version = JSON.parse((await sett(anna, 'version', '--daemon', '--json')).out) as { daemonLong: string }
    assert.equal(version.daemonLong, daemon)
    // Counters go on meanwhile.
    const still = (text: string): unknown =>
      JSON.parse(text, (name, value: unknown) => (/Bytes|Last|Active|CurAddr|InEngine/.test(name) ? undefined : value))
    assert.deepEqual(still((await sett(anna, 'status', '--json')).out), still(await official(anna, 'status', '--json')))
  })

  test('ping and whois', { timeout: 60_000 }, async () => {
    const target = (await sett(anna, 'ip', '-4', 'ben')).out.trim()
    const ping = await sett(anna, 'ping', '--c=10', 'ben')
    assert.equal(ping.code, 0, ping.err)
    assert.match(ping.out, /pong from ben \(100\.\d+\.\d+\.\d+\) via 192\.168\.77\.\d+:\d+ in (\d+m|0)s\n$/)
    assert.match(
      (await sett(anna, 'ping', '--tsmp', target)).out,
      /^pong from ben \(100[\d.]+, \d+\) via TSMP in (\d+m|0)s\n$/,
    )
    assert.match(
      (await sett(anna, 'ping', '--icmp', target)).out,
      /^pong from ben \(100[\d.]+\) via ICMP in (\d+m|0)s\n$/,
    )
    assert.match(
      (await sett(anna, 'ping', '--peerapi', target)).out,
      /^hit peerapi of 100[\d.]+ \(ben\..* in (\d+m|0)s\n$/,
    )
    assert.equal((await sett(anna, 'whois', target)).out, await official(anna, 'whois', target))
    assert.equal((await sett(anna, 'whois', '--json', target)).out, await official(anna, 'whois', '--json', target))
    const nobody = await sett(anna, 'whois', '100.64.99.99')
    assert.deepEqual(nobody, { code: 1, out: '', err: 'peer not found\n' })
  })

  test('set, debug and what up would lose', { timeout: 60_000 }, async () => {
    assert.equal((await sett(anna, 'set', '--shields-up', '--advertise-routes=10.7.0.0/16')).code, 0)
    const prefs = (await sett(anna, 'debug', 'prefs')).out
    assert.equal(prefs, await official(anna, 'debug', 'prefs'))
    assert.match(prefs, /"ShieldsUp": true/)
    assert.equal((await sett(anna, 'debug', 'derp-map')).out, await official(anna, 'debug', 'derp-map'))
    assert.match((await sett(anna, 'debug', 'netmap')).out, /"SelfNode"/)
    assert.match((await sett(anna, 'debug', 'metrics')).out, /^# TYPE /m)
    const lossy = await sett(anna, 'up', '--ssh=false')
    assert.equal(lossy.code, 1)
    assert.ok(
      lossy.err.includes(
        `\tsett up --ssh=false --advertise-routes=10.7.0.0/16 --hostname=anna --login-server=${world.control} --shields-up\n`,
      ),
      lossy.err,
    )
    assert.equal((await sett(anna, 'set', '--shields-up=false', '--advertise-routes=')).code, 0)
  })

  test('down, a bare up, switch, logout and a login by link', { timeout: 120_000 }, async () => {
    assert.deepEqual(await sett(anna, 'down'), { code: 0, out: '', err: '' })
    assert.deepEqual(await sett(anna, 'status'), { code: 1, out: 'Tailscale is stopped.\n', err: '' })
    assert.deepEqual(await sett(anna, 'down'), { code: 0, out: '', err: 'Tailscale was already stopped.\n' })
    assert.deepEqual(await sett(anna, 'up'), { code: 0, out: '', err: '' })
    assert.equal(await stateOf(anna), 'Running')
    assert.deepEqual(await sett(anna, 'up'), { code: 0, out: '', err: '' })

    await world.server.admin('users', 'create', 'ben@example.com')
    const other = await world.server.createKey({ user: 'ben@example.com' })
    const again = [
      'login',
      `--login-server=${world.control}`,
      `--auth-key=${other.key}`,
      '--nickname=second',
      '--timeout=40s',
    ]
    assert.deepEqual(await sett(anna, ...again), { code: 0, out: '', err: '' })
    const listed = (await sett(anna, 'switch', '--list')).out
    assert.equal(listed, await official(anna, 'switch', '--list'))
    assert.match(listed, / second\*$/m)
    const accounts = JSON.parse((await sett(anna, 'switch', '--list', '--json')).out) as {
      id: string
      selected: boolean
    }[]
    const first = accounts.find(({ selected }) => !selected)?.id ?? ''
    const switched = await sett(anna, 'switch', first)
    assert.deepEqual(switched, { code: 0, out: `Switching to account "${first}"\nSuccess.\n`, err: '' })
    assert.equal((await sett(anna, 'switch', 'remove', 'second')).code, 0)

    assert.deepEqual(await sett(anna, 'logout'), { code: 0, out: '', err: '' })
    assert.match((await sett(anna, 'status')).out, /^Logged out\.\n/)
    const asking = anna.spawn(SETT, [
      `--socket=${anna.dir}/d.sock`,
      'up',
      '--qr',
      '--qr-format=small',
      '--hostname=anna',
      `--login-server=${world.control}`,
    ])
    const [, url] = await asking.waitFor(/To authenticate, visit:\s+(\S+)/)
    assert.ok(url?.startsWith(`${world.control}/`), String(url))
    await asking.waitFor(/█ █▄▄▄█ .* █▄▄▄█ █/)
    await world.server.approveLogin(String(url), 'anna@example.com')
    assert.equal((await asking.ended).code, 0)
    assert.match(asking.output, /Success\.\n/)
    assert.equal(await stateOf(anna), 'Running')
  })
})
