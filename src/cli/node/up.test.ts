/** `up`, `login` and `set` over a socket: what the daemon is asked, what is printed, how it ends. */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { inflateSync } from 'node:zlib'
import { NodeCli } from '../../../test/support/node-cli.ts'
import type { Json } from '../../../test/support/fake-daemon.ts'

let cli: NodeCli
before(async () => {
  cli = await NodeCli.start()
})
after(async () => cli[Symbol.asyncDispose]())

const LINK = 'http://127.0.0.1:1/a/0123456789ab'
const CONTROL = '--login-server=http://127.0.0.1:42483'

/** A machine on which nobody has logged in. */
function fresh(): void {
  cli.joined()
  cli.daemon.state = {
    status: 'status before login',
    prefs: {
      ...cli.daemon.state.prefs,
      ControlURL: '',
      WantRunning: false,
      LoggedOut: true,
      Config: null,
      Hostname: '',
    },
  }
}

function bodies(start: string): Json[] {
  return cli.daemon.requests
    .filter((request) => request.startsWith(start))
    .map((request) => JSON.parse(request.slice(request.indexOf(' {') + 1)) as Json)
}

test('a first up with a key starts the daemon, logs in and says nothing', async () => {
  for (const flag of ['--auth-key', '--authkey', '-authkey']) {
    fresh()
    const ran = await cli.run('up', CONTROL, `${flag}=tskey-auth-x`, '--hostname=web', '--advertise-tags=a,tag:b')
    assert.deepEqual(ran, { code: 0, out: '', err: '' }, flag)
    const asked = cli.daemon.requests.map((request) => request.replace('/localapi/v0/', '').split(' {', 1)[0])
    assert.deepEqual(asked, [
      'GET status',
      'GET prefs',
      'GET watch-ipn-bus?mask=128',
      'POST check-prefs',
      'POST start',
      'POST login-interactive',
      'GET status?peers=false',
    ])
    const [{ AuthKey, UpdatePrefs } = {}] = bodies('POST /localapi/v0/start') as {
      AuthKey?: string
      UpdatePrefs?: Json
    }[]
    assert.equal(AuthKey, 'tskey-auth-x')
    assert.partialDeepStrictEqual(UpdatePrefs, {
      ControlURL: 'http://127.0.0.1:42483',
      WantRunning: true,
      Hostname: 'web',
      AdvertiseTags: ['tag:a', 'tag:b'],
      CorpDNS: true,
      NetfilterMode: 2,
      NoStatefulFiltering: true,
    })
  }
})

test('a login link is printed, drawn where somebody looks or asks for it, and followed by success', async () => {
  const drawn = /^ *[█▀▄ ]{20,}$/m
  const rows = [
    { name: 'in a log', terminal: false, args: [], draws: false },
    { name: 'in a log, asked for', terminal: false, args: ['--qr'], draws: true },
    { name: 'on a terminal', terminal: true, args: [], draws: true },
    { name: 'on a terminal, not wanted', terminal: true, args: ['--qr=false'], draws: false },
  ] as const
  for (const { name, terminal, args, draws } of rows) {
    fresh()
    cli.daemon.afterUp = [{ BrowseToURL: LINK }, { BrowseToURL: LINK }, { State: 3 }, { State: 6 }]
    cli.around = { isTerminal: { err: terminal, inOut: false } }
    const { code, out, err } = await cli.run('up', CONTROL, '--qr-format=small', ...args)
    assert.equal(code, 0, name)
    assert.equal(out, '', name)
    assert.ok(err.startsWith(`\nTo authenticate, visit:\n\n\t${LINK}\n\n`), name)
    assert.equal(err.split(LINK).length, 2, `${name}: the link is told once`)
    assert.equal(drawn.test(err), draws, name)
    assert.match(
      err,
      /\nTo approve your machine, visit \(as admin\):\n\n\thttp:\/\/127\.0\.0\.1:42483\/admin\n\nSuccess\.\n$/,
    )
  }
  fresh()
  cli.daemon.afterUp = [{ BrowseToURL: LINK }, { State: 6 }]
  assert.match((await cli.run('up', CONTROL, '--qr', '--qr-format=ascii')).err, /^#{40,}$/m)
  fresh()
  cli.daemon.afterUp = [{ BrowseToURL: LINK }, { State: 6 }]
  assert.deepEqual(
    await cli.run('up', CONTROL, '--qr', '--qr-format=round').then(({ code, err }) => [code, err.split('\n').at(-2)]),
    [1, 'unknown QR code format: "round"'],
  )
})

test('with --json the link comes with a picture, and then how it ended', async () => {
  fresh()
  cli.daemon.afterUp = [{ BrowseToURL: LINK }, { State: 3 }, { State: 6 }]
  const { code, out, err } = await cli.run('up', CONTROL, '--json')
  assert.deepEqual([code, err], [0, ''])
  const [first, ...rest] = out.split(/(?<=^\})\n/m).filter((text) => text !== '')
  assert.deepEqual(rest, ['{\n  "BackendState": "NeedsMachineAuth"\n}', '{\n  "BackendState": "Running"\n}'])
  const { AuthURL, QR, BackendState } = JSON.parse(first ?? '') as { AuthURL: string; QR: string; BackendState: string }
  assert.deepEqual([AuthURL, BackendState], [LINK, 'NeedsLogin'])
  assert.match(first ?? '', /^\{\n\t"AuthURL"/)
  const png = Buffer.from(QR.replace('data:image/png;base64,', ''), 'base64')
  assert.equal(png.toString('latin1', 1, 4), 'PNG')
  assert.deepEqual([png.readUInt32BE(16), png.readUInt32BE(20)], [128, 128])
  const rows = inflateSync(png.subarray(41, 41 + png.readUInt32BE(33)))
  assert.equal(rows.length, 128 * 17)
  assert.ok(
    rows.subarray(0, 17).every((byte, i) => byte === (i === 0 ? 0 : 0xff)),
    'the margin is white',
  )
})

test('how up can fail', async () => {
  const hang = new Promise<void>(() => {})
  const rows: readonly {
    name: string
    args?: readonly string[]
    says?: readonly Json[]
    around?: NodeCli['around']
    hangUp?: true
    err: RegExp
  }[] = [
    {
      name: 'the server says no',
      says: [{ ErrMessage: 'invalid key\u001b[2J' }],
      err: /^backend error: invalid key\ufffd\[2J\n$/,
    },
    {
      name: 'nothing happens in time',
      args: ['--timeout=5s'],
      says: [],
      err: /^timeout waiting for Tailscale service to enter a Running state; check health with "sett status"\n$/,
    },
    {
      name: 'the user has enough',
      says: [],
      around: { interrupted: () => AbortSignal.abort(), pause: async () => hang },
      err: /^context canceled\n$/,
    },
    { name: 'the daemon goes', says: [], hangUp: true, err: /^settd has ended before it was connected\n$/ },
    {
      name: 'a key that is not there',
      args: ['--auth-key=file:/nonexistent'],
      err: /^Cannot read "\/nonexistent": ENOENT/,
    },
  ]
  for (const { name, args = [], says = [{ State: 6 }], around = {}, hangUp, err } of rows) {
    fresh()
    cli.daemon.afterUp = says
    cli.around = around
    if (hangUp === true)
      cli.daemon.override = (_method, path) => {
        if (path.endsWith('login-interactive')) cli.daemon.hangUp()
        return undefined
      }
    const ran = await cli.run('up', CONTROL, ...args)
    assert.equal(ran.code, 1, name)
    assert.match(ran.err, err, name)
  }
})

test('where no peer is known, an exit node by name is not found; before that it can not be told', async () => {
  const rows = [
    { state: 'Running', err: /^no peer is known by the name "ben", nor any other peer; see "sett status"\n$/ },
    { state: 'Starting', err: /^cannot resolve exit node by hostname while Tailscale is starting up; / },
  ]
  for (const { state, err } of rows) {
    cli.joined()
    const Self = { TailscaleIPs: ['100.64.0.1'], DNSName: 'alpha.tail-scale.ts.net.', HostName: 'alpha' }
    const status = { BackendState: state, MagicDNSSuffix: 'tail-scale.ts.net', Self, Peer: null }
    cli.daemon.override = (_method, path) => (path.endsWith('/status') ? { status: 200, body: status } : undefined)
    const ran = await cli.run('set', '--exit-node=ben')
    assert.equal(ran.code, 1, state)
    assert.match(ran.err, err, state)
  }
})

test('a bare up of a node whose key has ended asks for a login with the settings that there are', async () => {
  cli.joined({ Hostname: 'web', RouteAll: true, WantRunning: true })
  cli.daemon.state.status = 'status before login'
  cli.daemon.afterUp = [{ BrowseToURL: LINK }, { State: 6 }]
  const { code, err } = await cli.run('up')
  assert.deepEqual([code, err.includes(LINK)], [0, true], err)
  const [{ UpdatePrefs } = {}] = bodies('POST /localapi/v0/start') as { UpdatePrefs?: Json }[]
  assert.partialDeepStrictEqual(UpdatePrefs, { Hostname: 'web', RouteAll: true, WantRunning: true, LoggedOut: false })
})

test('what stands against a login is told once, while the daemon tries on', async () => {
  const health = (Args: Json) => ({ Health: { Warnings: { 'login-state': { Args } } } })
  fresh()
  cli.daemon.afterUp = [
    { SessionID: 'a1', ...health({ error: 'of before' }) },
    { Health: { Warnings: {} } },
    health({}),
    health({ error: 'no answer' }),
    health({ error: 'no\u001banswer' }),
    health({ error: 'no answer' }),
    { State: 6 },
  ]
  assert.deepEqual(await cli.run('up', CONTROL, '--auth-key=tskey-1'), {
    code: 0,
    out: '',
    err: 'Not connected yet: no answer\nNot connected yet: no\ufffdanswer\n',
  })
})

test('a node that somebody else stops while it comes up is not waited for', async () => {
  const ended = (how: string) => `the node was ${how} meanwhile by somebody else: run "sett up" again\n`
  const rows: readonly { says: readonly Json[]; now: Json; code: number; err: string }[] = [
    {
      says: [{ State: 4 }, { Prefs: { WantRunning: false } }, { State: 2 }, { State: 5 }, { State: 6 }],
      now: {},
      code: 0,
      err: '',
    },
    ...[[{ State: 5 }, { State: 4 }], [{ State: 4 }], [{ Prefs: { WantRunning: false } }]].map((says) => ({
      says,
      now: { WantRunning: false },
      code: 1,
      err: ended('stopped'),
    })),
    ...[[{ State: 5 }, { State: 2 }], [{ Prefs: { WantRunning: false } }]].map((says) => ({
      says,
      now: { WantRunning: false, LoggedOut: true },
      code: 1,
      err: ended('logged out'),
    })),
  ]
  for (const { says, now, code, err } of rows)
    for (const verb of [['up'], ['up', CONTROL, '--auth-key=tskey-1', '--reset']]) {
      cli.joined({ ControlURL: CONTROL.slice('--login-server='.length), WantRunning: false })
      cli.daemon.state.status = 'status when down'
      cli.daemon.afterUp = says
      cli.daemon.override = (method, path) => {
        const isAsked = cli.daemon.requests.some((line) => /^(PATCH|POST .*start)/.test(line))
        if (method !== 'GET' || !path.endsWith('/prefs') || !isAsked) return undefined
        return { status: 200, body: { ...cli.daemon.state.prefs, ...now } }
      }
      assert.deepEqual(await cli.run(...verb), { code, out: '', err }, `${verb.join(' ')}: ${JSON.stringify(says)}`)
    }
})

test('a daemon that refuses is quoted, and what it refused is not started', async () => {
  const rows = [
    { status: 200, body: { Error: 'no SSH here' }, err: 'no SSH here\n', uid: 0 },
    { status: 400, body: { error: 'bad prefs' }, err: 'bad prefs\n', uid: 0 },
    { status: 500, body: 'it broke\n', err: '500 Internal Server Error: it broke\n', uid: 0 },
    { status: 403, body: 'prefs write access denied\n', err: 'Access denied: prefs write access denied\n', uid: 0 },
    {
      status: 403,
      body: { error: 'denied' },
      err: `Access denied: denied\n\nUse 'sudo sett up ${CONTROL} --auth-key=XXXX'.\nTo not require root, use 'sudo sett set --operator=$USER' once.\n`,
      uid: 1000,
    },
  ]
  for (const { status, body, err, uid } of rows) {
    fresh()
    cli.around = { uid }
    cli.daemon.override = (_method, path) => (path.endsWith('check-prefs') ? { status, body } : undefined)
    assert.deepEqual(await cli.run('up', CONTROL, '--auth-key=secret-1'), { code: 1, out: '', err })
    assert.deepEqual(bodies('POST /localapi/v0/start'), [])
  }
})

test('what to do without the right to names the socket that was asked', async () => {
  for (const where of ['--socket=%', '--socket %', '-socket=%']) {
    fresh()
    cli.around = { uid: 1000 }
    cli.daemon.override = (method) => (method === 'PATCH' ? { status: 403, body: 'denied' } : undefined)
    const named = (text: string): string => text.replace('%', cli.daemon.socket)
    const { code, err } = await cli.run(...named(where).split(' '), 'set', '--shields-up')
    assert.equal(code, 1)
    assert.ok(err.endsWith(`use 'sudo sett ${named(where)} set --operator=$USER' once.\n`), err)
    assert.ok(err.includes(`Use 'sudo sett ${named(where)} set --shields-up'.`), err)
  }
})

test('settings that nobody mentions are not lost unseen', async () => {
  const kept: Json = { Hostname: 'web', RouteAll: true, AdvertiseRoutes: ['10.0.0.0/8', '0.0.0.0/0', '::/0'] }
  const lost = '--accept-routes --advertise-exit-node --advertise-routes=10.0.0.0/8 --hostname=web'
  const rows: readonly { args: readonly string[]; prefs?: Json; user?: string; says?: string }[] = [
    { args: ['--shields-up', '--ssh=false'], says: `--shields-up --ssh=false ${lost} ${CONTROL}` },
    { args: ['--auth-key=tskey-1', CONTROL], says: `--auth-key=XXXX ${CONTROL} ${lost}` },
    { args: ['--timeout=90s'], says: `--timeout=1m30s ${lost} ${CONTROL}` },
    { args: ['--shields-up', '--reset', CONTROL] },
    { args: ['--shields-up', CONTROL, ...lost.split(' ')] },
    { args: [] },
    { args: ['--shields-up', CONTROL, ...lost.split(' ')], prefs: { OperatorUser: 'anna' }, user: 'anna' },
    {
      args: ['--shields-up', CONTROL, ...lost.split(' ')],
      prefs: { OperatorUser: "o'brien" },
      user: 'anna',
      says: `${['--shields-up', CONTROL, ...lost.split(' ')].sort().join(' ').replace('--shields-up', '--shields-up')} --operator=o\\'brien`,
    },
    // What people had by a default of once, and never chose.
    { args: ['--shields-up', CONTROL, ...lost.split(' ')], prefs: { NoStatefulFiltering: null } },
  ]
  for (const { args, prefs = {}, user, says } of rows) {
    cli.joined({ ...kept, ...prefs })
    cli.around = { env: { SETT_SOCKET: cli.daemon.socket, USER: user } }
    const { code, out, err } = await cli.run('up', ...args)
    if (says === undefined) {
      assert.deepEqual({ code, out, err }, { code: 0, out: '', err: '' }, args.join(' '))
      continue
    }
    assert.equal(code, 1)
    assert.match(err, /^Error: changing settings via 'sett up' requires mentioning all\nnon-default flags\./)
    const command = err.split('\n').find((line) => line.startsWith('\t'))
    const sorted = (text: string): string[] => text.split(' ').sort()
    assert.deepEqual(sorted(command ?? ''), sorted(`\tsett up ${says}`))
    assert.deepEqual(bodies('PATCH'), [])
  }
})

test('a change of a running node is an edit of the mentioned settings', async () => {
  const rows: readonly { args: readonly string[]; edit: Json }[] = [
    {
      args: ['up', '--hostname=web', '--accept-routes', CONTROL],
      edit: { WantRunning: true, Hostname: 'web', RouteAll: true, ControlURL: 'http://127.0.0.1:42483' },
    },
    { args: ['set', '--hostname='], edit: { Hostname: '' } },
    {
      args: ['set', '--snat-subnet-routes=false', '--stateful-filtering'],
      edit: { NoSNAT: true, NoStatefulFiltering: false },
    },
    { args: ['set', '--exit-node=auto:any'], edit: { AutoExitNode: 'any', ExitNodeIP: '', ExitNodeID: '' } },
    {
      args: ['set', '--advertise-routes=192.168.0.0/16,10.0.0.0/8'],
      edit: { AdvertiseRoutes: ['10.0.0.0/8', '192.168.0.0/16'] },
    },
    { args: ['set', '--advertise-exit-node'], edit: { AdvertiseRoutes: ['0.0.0.0/0', '::/0'] } },
    { args: ['set', '--relay-server-port=0'], edit: { RelayServerPort: 0 } },
    { args: ['set', '--relay-server-port='], edit: { RelayServerPort: null } },
    {
      args: ['set', '--relay-server-static-endpoints=1.2.3.4:5,[::1]:4,1.2.3.4:5'],
      edit: { RelayServerStaticEndpoints: ['1.2.3.4:5', '[::1]:4'] },
    },
    { args: ['set', '--netfilter-mode=off'], edit: { NetfilterMode: 0 } },
  ]
  for (const { args, edit } of rows) {
    cli.joined()
    const { code } = await cli.run(...args)
    assert.equal(code, 0, args.join(' '))
    const masks = Object.fromEntries(Object.keys(edit).map((name) => [`${name}Set`, true]))
    assert.deepEqual(bodies('PATCH'), [{ ...edit, ...masks }], args.join(' '))
  }
  cli.joined()
  await cli.run('set', '--auto-update')
  assert.deepEqual(bodies('PATCH'), [{ AutoUpdate: { Check: true, Apply: true }, AutoUpdateSet: { ApplySet: true } }])
})

test('settings that make no sense are refused before anything changes', async () => {
  const rows: readonly (readonly [args: string, says: string])[] = [
    ['up --hostname=a..b', '"" is not a valid DNS label'],
    ['up --hostname=-a', '"-a" is not a valid DNS label: must start with a letter or number'],
    ["up --hostname=it's", `"it's" is not a valid DNS label: contains invalid character '\\''`],
    ['up --advertise-tags=tag:1x', `tag: "tag:1x": tag names must start with a letter, after 'tag:'`],
    ['up --advertise-routes=10.0.0.1/8', '10.0.0.1/8 has non-address bits set; expected 10.0.0.0/8'],
    [
      'set --advertise-routes=0.0.0.0/0',
      '0.0.0.0/0 advertised without its IPv6 counterpart, please also advertise ::/0',
    ],
    ['up --exit-node-allow-lan-access', '--exit-node-allow-lan-access can only be used with --exit-node'],
    ['set --exit-node=beta', 'node "beta" is not advertising an exit node'],
    [
      'set --exit-node=100.64.0.1',
      'cannot use 100.64.0.1 as an exit node as it is a local IP address to this machine; did you mean --advertise-exit-node?',
    ],
    ['set --netfilter-mode=maybe', 'invalid value --netfilter-mode="maybe"'],
    [
      'up --accept-routes --hostname=alpha2 --login-server=http://other',
      "can't change --login-server without --force-reauth",
    ],
  ]
  for (const [args, says] of rows) {
    cli.joined()
    assert.deepEqual(await cli.run(...args.split(' ')), { code: 1, out: '', err: `${says}\n` })
    assert.deepEqual(bodies('PATCH'), [])
  }
})

test('login goes to a new account, and leaves the others', async () => {
  cli.joined()
  const ran = await cli.run('login', CONTROL, '--auth-key=tskey-2', '--nickname=work')
  assert.deepEqual(ran, { code: 0, out: '', err: '' })
  assert.equal(cli.daemon.requests[0], 'PUT /localapi/v0/profiles/')
  const [{ UpdatePrefs } = {}] = bodies('POST /localapi/v0/start') as { UpdatePrefs?: Json }[]
  assert.equal(UpdatePrefs?.['ProfileName'], 'work')
})

test('a session over the tailnet is not cut off unasked', async () => {
  const rows = [
    { args: ['down'], answer: '', aborts: true },
    { args: ['down'], answer: 'y', aborts: false },
    { args: ['down', '--accept-risk=lose-ssh'], answer: '', aborts: false },
    { args: ['set', '--ssh'], answer: 'n', aborts: true },
    { args: ['set', '--ssh', '--accept-risk=all'], answer: '', aborts: false },
    { args: ['set', '--ssh=false'], answer: '', aborts: false },
  ]
  for (const { args, answer, aborts } of rows) {
    cli.joined()
    cli.around = {
      sshClient: () => '100.64.0.9 40000 22',
      isTerminal: { err: true, inOut: answer !== '' },
      readLine: async () => answer,
    }
    const { code, out, err } = await cli.run(...args)
    assert.equal(code, aborts ? 1 : 0, args.join(' '))
    if (aborts) assert.equal(err, 'aborted, no changes made\n')
    assert.equal(out.includes('use --accept-risk=lose-ssh'), aborts || answer !== '')
    assert.equal(bodies('PATCH').length, aborts ? 0 : 1)
  }
})
