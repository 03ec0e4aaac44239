/** The other verbs over a socket: what recordings do not have. */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { NodeCli, printed } from '../../../test/support/node-cli.ts'
import type { Answer, Json } from '../../../test/support/fake-daemon.ts'

let cli: NodeCli
before(async () => {
  cli = await NodeCli.start()
})
after(async () => cli[Symbol.asyncDispose]())

const ok = (body: unknown): Answer => ({ status: 200, body })

interface Row {
  readonly args: string
  readonly code?: number
  readonly out?: string
  readonly err?: string
}

/** Runs each line on a joined node. A line of two parts ends otherwise than well. */
async function walk(rows: readonly Row[]): Promise<void> {
  for (const { args, code = 0, out = '', err = '' } of rows) {
    cli.daemon.requests.length = 0
    assert.deepEqual(await cli.run(...args.split(' ').filter(Boolean)), { code, out, err }, args)
  }
}

test('command lines that are wrong say so as the official program does', async () => {
  cli.joined()
  await walk([
    { args: 'status x', code: 1, err: "unexpected non-flag arguments to 'sett status'\n" },
    { args: 'ip -1 -4', code: 1, err: 'sett ip -1, -4, and -6 are mutually exclusive\n' },
    { args: 'ip a b', code: 1, err: 'too many arguments, expected at most one peer\n' },
    { args: 'ip 100.64.9.9', code: 1, err: 'no peer or service found with IP 100.64.9.9\n' },
    { args: 'ip --assert=100.64.0.1' },
    {
      args: 'ip --assert=1.2.3.4',
      code: 1,
      err: 'assertion failed: IP "1.2.3.4" not found among [100.64.0.1 fd7a:115c:a1e0:ab12:4843:cd96:6240:1]\n',
    },
    {
      args: 'ip BETA.tail-scale.ts.net',
      code: 1,
      err: 'error looking up IP of "BETA.tail-scale.ts.net": lookup BETA.tail-scale.ts.net on 192.0.2.53:53: no such host\n',
    },
    { args: 'IP -4 Beta', out: '100.64.0.2\n' },
    { args: 'ping', code: 1, err: 'usage: sett ping <hostname-or-IP>\n' },
    { args: 'ping alpha', out: '100.64.0.1 is local Tailscale IP\n' },
    { args: 'ping 100.64.0.1', out: '100.64.0.1 is local Tailscale IP\n' },
    { args: 'ping 100.64.99.99', code: 1, err: 'no matching peer\n' },
    { args: 'whois', code: 1, err: 'missing argument, expected one peer\n' },
    { args: 'whois x', code: 1, err: "400 Bad Request: invalid 'addr' parameter\n" },
    { args: 'wait x', code: 1, err: 'unexpected arguments: ["x"]\n' },
    { args: 'down x', code: 1, err: 'too many non-flag arguments: ["x"]\n' },
    { args: 'version --upstream', code: 1, err: 'fetching latest version not supported in this build\n' },
    {
      args: 'status --web',
      code: 1,
      err: '--web is not built; `sett status --json` has all that a web page could show\n',
    },
    { args: 'switch', code: 1, out: 'usage: sett switch NAME\n' },
    { args: 'switch --json', code: 1, out: '--json argument cannot be used with sett switch NAME\n' },
    { args: 'switch remove', code: 1, out: 'usage: sett switch remove NAME\n' },
    { args: 'switch nobody', code: 1, err: 'No profile named "nobody"\n' },
    { args: 'switch e500', out: 'Already on account "e500"\n' },
    { args: 'switch remove fake-control.example.net', out: 'Already on account "fake-control.example.net"\n' },
    {
      args: 'debug',
      code: 1,
      err: 'sett debug: missing subcommand: derp-map, netmap, prefs, control-knobs, metrics, statedir, watch-ipn, localapi, local-creds, restun, rebind, rotate-disco-key, break-tcp-conns, break-derp-conns, pick-new-derp, force-netmap-update, force-prefer-derp, reload-config, set-expire\n',
    },
    { args: 'debug nope', code: 1, err: 'sett debug: unknown subcommand: nope\n' },
    {
      args: `set --hostname=${'n'.repeat(64)}`,
      code: 1,
      err: `"${'n'.repeat(64)}" is too long, max length is 63 bytes\n`,
    },
    {
      args: 'set --hostname=a\nb',
      code: 1,
      err: '"a\\nb" is not a valid DNS label: contains invalid character \'\\n\'\n',
    },
    { args: 'debug restun x', code: 1, err: 'unexpected arguments\n' },
    { args: 'serve status', code: 1, err: 'sett: unknown subcommand: serve\n' },
    { args: 'completion', code: 1, err: 'usage: sett completion <bash|zsh|fish>\n' },
  ])
})

test('a flag that is wrong is named, how the verb is used follows, and the exit code is 2', async () => {
  cli.joined()
  const rows: readonly (readonly [args: string, line: string])[] = [
    ['status --nope', 'flag provided but not defined: -nope'],
    ['status -json=maybe', 'invalid boolean value "maybe" for -json: parse error'],
    ['status --json --json', 'invalid boolean flag json: flag provided multiple times'],
    ['status --json=1 --json=0', 'invalid boolean value "0" for -json: flag provided multiple times'],
    ['ping -c', 'flag needs an argument: -c'],
    ['ping -c x', 'invalid value "x" for flag -c: parse error'],
    ['ping --timeout 5', 'invalid value "5" for flag -timeout: parse error'],
    [
      'up --host-routes=false',
      'invalid boolean value "false" for -host-routes: unsupported value; only \'true\' is allowed',
    ],
    ['up --=x', 'bad flag syntax: --=x'],
    ['up ---x', 'bad flag syntax: ---x'],
    [
      'up --hostname=a --hostname=tskey-auth-kQ1',
      'invalid value "tskey-XXXX" for flag -hostname: flag provided multiple times',
    ],
    ['--socket', 'flag needs an argument: -socket'],
    ['--bogus', 'flag provided but not defined: -bogus'],
  ]
  for (const [args, line] of rows) {
    const { code, out, err } = await cli.run(...args.split(' '))
    assert.deepEqual([code, out, err.split('\n', 1)[0]], [2, '', line])
    assert.match(err, /\nUSAGE\n {2}sett .*\n[^]*FLAGS\n {2}--/, args)
  }
  for (const args of ['status --help', 'status -h', 'help', '--help', '']) {
    const { code, out, err } = await cli.run(...args.split(' ').filter(Boolean))
    assert.deepEqual([code, out], [0, ''])
    assert.match(err, /\n\nUSAGE\n {2}sett /)
  }
})

test('where no daemon is, every verb says so, and the common ones say what to do', async () => {
  cli.joined()
  const none = '/nonexistent/settd.sock'
  const plainly = `failed to connect to local settd; it doesn't appear to be running at ${none} (sudo systemctl start settd ?)\n`
  const exactly = (path: string) =>
    `Failed to connect to local settd for /localapi/v0/${path}; not running? Error: dial unix ${none}: connect: no such file or directory\n`
  await walk([
    ...['status', 'status --json', 'up', 'ping beta'].map((args) => ({
      args: `--socket=${none} ${args}`,
      code: 1,
      err: plainly,
    })),
    { args: `--socket ${none} ip`, code: 1, err: exactly('status') },
    { args: `--socket ${none} logout`, code: 1, err: exactly('logout') },
    { args: `--socket ${none} whois 1.2.3.4`, code: 1, err: exactly('whois') },
    { args: `--socket ${none} down`, code: 1, err: `error fetching current status: ${exactly('status')}` },
  ])
})

test('the table of a status tells how each peer is reached', async () => {
  cli.joined()
  const status = printed('status --json')
  const [[key, beta] = ['', {}]] = Object.entries(status['Peer'] as Record<string, Json>)
  const idle = { CurAddr: '', RxBytes: 0, TxBytes: 0, Active: false, Online: true }
  const rows: readonly (readonly [peer: Json, shown: string])[] = [
    [{ ...idle }, 'beta user-123@ linux -'],
    [{ ...idle, Online: false, LastSeen: '2026-11-22T21:05:00Z' }, 'beta user-123@ linux offline, last seen 5m ago'],
    [{ ...idle, Online: false, LastSeen: '2026-11-20T20:05:00Z' }, 'beta user-123@ linux offline, last seen 2d ago'],
    [
      { ...idle, Online: false, TxBytes: 5, LastSeen: '2026-11-22T19:05:00Z' },
      'beta user-123@ linux idle; offline, last seen 2h ago, tx 5 rx 0',
    ],
    [{ ...idle, RxBytes: 7 }, 'beta user-123@ linux idle, tx 0 rx 7'],
    [{ ...idle, ExitNodeOption: true }, 'beta user-123@ linux idle; offers exit node'],
    [{ ...idle, ExitNode: true, ExitNodeOption: true }, 'beta user-123@ linux idle; exit node'],
    [{ ...idle, Active: true }, 'beta user-123@ linux active; relay "test"'],
    [
      { ...idle, Active: true, PeerRelay: '1.2.3.4:5:vni:1' },
      'beta user-123@ linux active; peer-relay 1.2.3.4:5:vni:1',
    ],
    [
      { ...idle, Active: true, ExitNode: true, CurAddr: '[::1]:5' },
      'beta user-123@ linux active; exit node; direct [::1]:5',
    ],
    [{ ...idle, DNSName: '', HostName: 'Be "ta"', UserID: 0, OS: 'a\u001b[2Jb' }, '("be-ta") - a\ufffd[2Jb -'],
    [
      { ...idle, DNSName: 'xn--bcher-kva.tail-scale.ts.net.', UserID: '1234567890123456789' },
      'xn--bcher-kva (bücher) 1234567890123456789 linux -',
    ],
    [{ ...idle, ShareeNode: true }, ''],
    [{ ...idle, DNSName: 'se-1.mullvad.ts.net.', ExitNodeOption: true }, ''],
  ]
  for (const [peer, shown] of rows) {
    const told = { ...status, Health: [], Peer: { [key]: { ...beta, ...peer } } }
    // A number of this size is written as one by daemons, and cannot be by us.
    const text = JSON.stringify(told).replace('"1234567890123456789"', '1234567890123456789')
    cli.daemon.override = (_method, path) => (path.endsWith('status') ? ok(text) : undefined)
    const { code, out } = await cli.run('status', '--self=false')
    assert.equal(code, 0)
    assert.equal(out.replace(/ {2,}/g, ' ').trim(), shown === '' ? '' : `100.64.0.2 ${shown}`)
    if (text.includes('1234567890123456789'))
      assert.match((await cli.run('status', '--json')).out, /"UserID": 1234567890123456789,/)
    const active = JSON.parse((await cli.run('status', '--json', '--active')).out) as { Peer: Json }
    assert.equal(Object.keys(active.Peer).length, peer['Active'] === true ? 1 : 0)
  }
  for (const [state, extra, words] of [
    ['NeedsMachineAuth', {}, 'Machine is not yet approved by tailnet admin.\n'],
    ['NeedsLogin', { AuthURL: 'https://x/a/1' }, 'Logged out.\nLog in at: https://x/a/1\n'],
    [
      'NeedsLogin',
      { Health: ['Other.', 'You are logged out. The last login error was: no\nanswer'] },
      'Logged out.\nThe last login error was: no\ufffdanswer\n',
    ],
    ['NoState', { Health: ['it is cold'] }, '# Health check:\n#     - it is cold\n\nunexpected state: NoState\n'],
  ] as const) {
    cli.daemon.override = (_method, path) =>
      path.endsWith('status') ? ok({ ...status, Health: null, ...extra, BackendState: state }) : undefined
    assert.deepEqual(await cli.run('status'), { code: 1, out: words, err: '' })
  }
})

test('pings go on until a direct answer, the last one, or none at all', async () => {
  const relayed = { DERPRegionID: 1, DERPRegionCode: 'test', Endpoint: '' }
  const direct = { Endpoint: '192.0.2.2:41641' }
  const rows: readonly { args: string; answers: readonly (Json | 'none')[]; out: string; err?: string }[] = [
    {
      args: 'beta',
      answers: [relayed, direct],
      out: 'pong from beta (100.64.0.2) via DERP(test) in 12ms\npong from beta (100.64.0.2) via 192.0.2.2:41641 in 12ms\n',
    },
    {
      args: '-c 1 beta',
      answers: [relayed],
      out: 'pong from beta (100.64.0.2) via DERP(test) in 12ms\n',
      err: 'direct connection not established\n',
    },
    {
      args: '-c 1 --until-direct=false beta',
      answers: [relayed],
      out: 'pong from beta (100.64.0.2) via DERP(test) in 12ms\n',
    },
    {
      args: '-c 1 --until-direct=false beta',
      answers: [{ PeerRelay: '1.2.3.4:5:vni:1', Endpoint: '' }],
      out: 'pong from beta (100.64.0.2) via peer-relay(1.2.3.4:5:vni:1) in 12ms\n',
    },
    {
      args: '-c 2 --timeout=20ms beta',
      answers: ['none', 'none'],
      out: 'ping "100.64.0.2" timed out\n'.repeat(2),
      err: 'no reply\n',
    },
    {
      args: '--icmp beta',
      answers: [{ Endpoint: '', LatencySeconds: 1.5 }],
      out: 'pong from beta (100.64.0.2) via ICMP in 1.5s\n',
    },
  ]
  for (const { args, answers, out, err = '' } of rows) {
    cli.joined()
    const left = [...answers]
    const { promise: never, resolve: release } = Promise.withResolvers<void>()
    cli.daemon.override = (_method, path) => {
      if (!path.includes('/ping?')) return undefined
      const next = left.shift() ?? 'none'
      // The longest that the daemon may take is what the flag says.
      if (next === 'none') return { status: 200, body: never }
      return ok({ NodeIP: '100.64.0.2', NodeName: 'beta', Err: '', LatencySeconds: 0.012, DERPRegionID: 0, ...next })
    }
    assert.deepEqual(await cli.run('ping', ...args.split(' ')), { code: err === '' ? 0 : 1, out, err }, args)
    assert.deepEqual(left, [])
    release()
  }
})

test('switch goes to another account and tells how that ended', async () => {
  const other = {
    ID: 'ab12',
    Name: 'me@example.com',
    NetworkProfile: { DomainName: 'example.com', DisplayName: 'Example' },
    UserProfile: { LoginName: 'me@example.com' },
  }
  const endings = [
    { states: ['Starting', 'Running'], code: 0, words: 'Success.\n' },
    { states: ['NeedsLogin'], code: 0, words: 'Logged out.\nTo log in, run:\n  sett up\n' },
    { states: ['Stopped'], code: 1, words: 'Tailscale is stopped.\n' },
  ]
  for (const name of ['ab12', 'example.com', 'me@example.com', 'Example'])
    for (const { states, code, words } of endings) {
      cli.joined()
      const left = [...states]
      cli.daemon.override = (method, path) => {
        if (path.endsWith('/profiles/')) return ok([other])
        if (method === 'POST') return { status: 204, body: '' }
        if (path.includes('status')) return ok({ ...printed('status --json'), BackendState: left.shift() })
        return undefined
      }
      const out = `Switching to account "${name}"\n${words}`
      assert.deepEqual(await cli.run('switch', name), { code, out, err: '' })
      assert.ok(cli.daemon.requests.includes('POST /localapi/v0/profiles/ab12'))
    }
  cli.daemon.override = (method, path) =>
    method === 'DELETE' ? { status: 204, body: '' } : path.endsWith('/profiles/') ? ok([other]) : undefined
  assert.deepEqual(await cli.run('switch', 'remove', 'Example'), { code: 0, out: '', err: '' })
  assert.ok(cli.daemon.requests.includes('DELETE /localapi/v0/profiles/ab12'))
  const listed = {
    id: 'ab12',
    nickname: 'me@example.com',
    tailnet: 'Example',
    account: 'me@example.com',
    selected: false,
  }
  assert.equal((await cli.run('switch', '--list', '--json')).out, `${JSON.stringify([listed], null, 2)}\n`)
})

test('wait ends when the node runs, has an address, and the machine has it too', async () => {
  cli.joined()
  let looks = 0
  cli.daemon.override = (_method, path) =>
    path.includes('status') ? ok({ ...printed('status --json'), TUN: true }) : undefined
  cli.around = { hasAddress: (ip) => ip === '100.64.0.1' && ++looks === 3 }
  assert.deepEqual(await cli.run('wait'), { code: 0, out: '', err: '' })
  assert.equal(looks, 3)
  cli.joined()
  cli.daemon.state.status = 'status when down'
  assert.deepEqual(await cli.run('wait', '--timeout=30ms'), { code: 1, out: '', err: 'context deadline exceeded\n' })
  // A daemon that is not there yet is waited for.
  let pauses = 0
  cli.joined()
  cli.around = { pause: async () => void pauses++ }
  cli.daemon.override = (_method, path) =>
    path.includes('status') && pauses < 3 ? { status: 500, body: 'soon' } : undefined
  assert.deepEqual(await cli.run('wait'), { code: 0, out: '', err: '' })
  assert.equal(pauses, 3)
})

test('whois tells of tags, further routes and what the peer may do', async () => {
  cli.joined()
  const who = printed('whois --json 100.64.0.2')
  const node = who['Node'] as Json
  cli.daemon.override = (_method, path) =>
    path.includes('whois')
      ? ok({
          ...who,
          Node: { ...node, Tags: ['tag:a', 'tag:b'], AllowedIPs: [...(node['Addresses'] as string[]), '10.0.0.0/8'] },
          CapMap: { 'x.com/cap/a': [{ b: 1 }], 'x.com/cap/none': [] },
        })
      : undefined
  assert.equal(
    (await cli.run('whois', '--proto=tcp', '100.64.0.2:80')).out,
    `Machine:
  Name:           beta.tail-scale.ts.net
  ID:             TESTCTRL00000002
  Addresses:      [100.64.0.2/32 fd7a:115c:a1e0:ab12:4843:cd96:6240:2/128]
  AllowedIPs:     [10.0.0.0/8]
  Tags:           tag:a, tag:b
Capabilities:
  - x.com/cap/a:
      [
        {
          "b": 1
        }
      ]
  - x.com/cap/none
`,
  )
  assert.deepEqual(cli.daemon.requests, ['GET /localapi/v0/whois?proto=tcp&addr=100.64.0.2%3A80'])
})

test('reasons, versions and what debug asks for', async () => {
  cli.joined()
  const path = '/localapi/v0/'
  await walk([
    {
      args: 'version --daemon',
      out: 'Client: 1.103.0-ERR-BuildInfo\n  track: unstable (dev); frequent updates and bugs are likely\n  long version: 1.103.0-ERR-BuildInfo\n  go version: go1.26.8\nDaemon: 1.103.0-ERR-BuildInfo\n',
    },
    {
      args: 'debug derp-map',
      out: `${JSON.stringify(JSON.parse((await cli.run('debug', 'localapi', 'derpmap')).out), null, '\t')}\n`,
    },
    {
      args: 'debug localapi nothing',
      code: 1,
      out: '404 page not found\n',
      err: `# doing request GET ${path}nothing\n# Response status 404 Not Found\n404 Not Found\n`,
    },
    { args: 'debug localapi v0/services', out: '{}', err: '# doing request GET /localapi/v0/services\n' },
    {
      args: 'debug localapi POST v0/check-prefs {}',
      out: '{}',
      err: '# doing request POST /localapi/v0/check-prefs\n',
    },
    { args: 'debug force-prefer-derp 3' },
    { args: 'debug force-prefer-derp x', code: 1, err: 'expected exactly one integer argument\n' },
    { args: 'debug set-expire', code: 1, err: 'usage: sett debug set-expire --in=<duration>\n' },
    { args: 'debug control-knobs', out: '{\n  "Knob": true\n}\n' },
    { args: 'debug statedir', code: 1, err: 'no statedir is set\n' },
    {
      args: 'debug local-creds',
      out: `curl --unix-socket ${cli.daemon.socket} http://local-tailscaled.sock${path}status\n`,
    },
    {
      args: 'debug watch-ipn --initial --count=1 --peer-changes=false --peer-patches=false',
      out: '{\n\t"State": 6\n}\n',
      err: 'Connected.\n',
    },
  ])
  assert.deepEqual(cli.daemon.requests, [`GET ${path}watch-ipn-bus?mask=${2 + 4 + 8192}`])
  assert.equal((await cli.run('down', '--reason=lunch')).code, 0)
  assert.equal((await cli.run('down')).err, 'Tailscale was already stopped.\n')
})
