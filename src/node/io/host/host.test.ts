/** What the system's tools say, read; the journal as a file; switches that lead nowhere. What they do is test/lab/host.test.ts. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { hostPlan } from '../../routes/host-plan.ts'
import { JournalFile } from './journal.ts'
import type { Journal } from './journal.ts'
import { isInnerSwitch } from './local-networks.ts'
import { changeIn } from './monitor.ts'
import { baseChainsIn } from './netfilter.ts'
import { failuresIn } from './run.ts'

test('what a batch says of commands that failed', () => {
  const said = 'RTNETLINK answers: File exists\nCommand failed -:2\nError: a.\nmore of it\nCommand failed -:7\n'
  assert.deepEqual(failuresIn(said, 9), [
    { at: 1, why: 'RTNETLINK answers: File exists' },
    { at: 6, why: 'Error: a.; more of it' },
  ])
  assert.deepEqual(
    failuresIn('Cannot open netlink socket: Address family not supported by protocol\n', 2).map(({ at }) => at),
    [0, 1],
    'one that never began failed in all of them',
  )
  assert.deepEqual(failuresIn('', 1), [{ at: 0, why: 'no reason given' }])
})

const LINES = [
  ['2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 state UP \\    link/ether 02:00:00:00:00:01', 'network'],
  ['2: eth0    inet 198.51.100.11/24 scope global secondary eth0\\       valid_lft forever', 'network'],
  ['Deleted 2: eth0    inet 198.51.100.11/24 scope global secondary eth0\\       valid_lft forever', 'network'],
  ['default via 198.51.100.1 dev eth0 ', 'network'],
  ['Deleted default via 198.51.100.1 dev eth0 ', 'network'],
  ['10.0.0.0/8 dev tailscale01 ', 'network'],
  ['3: tailscale0: <POINTOPOINT,NOARP,UP> mtu 1280 state UNKNOWN \\    link/none ', undefined],
  ['3: tailscale0    inet 100.64.0.1/32 scope global tailscale0\\       valid_lft forever', undefined],
  ['local 100.64.0.1 dev tailscale0 table local proto kernel scope host src 100.64.0.1 ', undefined],
  ['100.64.0.2 dev tailscale0 table 52 scope link ', undefined],
  ['unreachable default table 52 metric 4294967295 ', undefined],
  ['Deleted throw 10.0.0.0/8 table 52 ', undefined],
  ['Deleted 5270:\tfrom all lookup 52 ', 'rules'],
  ['Deleted 5210:\tfrom all fwmark 0x80000/0xff0000 lookup main ', 'rules'],
  ['5210:\tfrom all fwmark 0x80000/0xff0000 lookup main ', undefined],
  ['    link/ether 02:00:00:00:00:01', undefined],
  ['', undefined],
] as const

test('which lines of `ip monitor` are changes by others', () => {
  for (const [line, want] of LINES) assert.equal(changeIn(line, 'tailscale0'), want, line)
  assert.equal(changeIn('3: ts.0: <UP>', 'ts.0'), undefined)
  assert.equal(changeIn('3: tsx0: <UP>', 'ts.0'), 'network', 'names are no patterns')
})

test('which chains of others the tunnel has to be let through, and which can’t be changed', () => {
  const chain = (table: string, name: string, hook: string, more: object = {}) => ({
    chain: { family: 'inet', table, name, handle: 1, type: 'filter', hook, prio: 0, policy: 'drop', ...more },
  })
  const listed = [
    { metainfo: { version: '1.0.6' } },
    { table: { family: 'inet', name: 'firewalld', handle: 3, flags: 'owner' } },
    { table: { family: 'inet', name: 'locked', handle: 4, flags: ['owner', 'persist'] } },
    { table: { family: 'inet', name: 'fw', handle: 5 } },
    chain('fw', 'in', 'input'),
    chain('fw', 'through', 'forward'),
    chain('fw', 'out', 'output'),
    chain('fw', 'nat', 'input', { type: 'nat' }),
    chain('fw', 'bridged', 'input', { family: 'bridge' }),
    { chain: { family: 'inet', table: 'fw', name: 'helper', handle: 9 } },
    chain('sett-tailscale0', 'input', 'input', { family: 'ip' }),
    chain('firewalld', 'filter_INPUT', 'input'),
    chain('firewalld', 'filter_FORWARD', 'forward'),
    chain('locked', 'in', 'input'),
  ]
  assert.deepEqual(baseChainsIn(listed), {
    chains: [
      { family: 'inet', table: 'fw', name: 'in', hook: 'input' },
      { family: 'inet', table: 'fw', name: 'through', hook: 'forward' },
    ],
    locked: ['inet firewalld', 'inet locked'],
  })
})

test('the journal is for its owner only, is whole or not there, and is good for this machine as it runs', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sett-journal-'))
  try {
    const state = join(folder, 'state')
    const path = join(state, 'host-journal.json')
    const plan = hostPlan({
      device: 'tailscale0',
      addresses: ['100.64.0.1/32'],
      routes: ['0.0.0.0/0', '10.0.0.0/8'],
      localRoutes: ['192.168.1.0/24'],
      netfilter: 'on',
      masquerade: true,
      stateful: false,
      ipv6: 'full',
    })
    const settings = [{ path: 'net/ipv4/conf/all/src_valid_mark', before: '0', value: '1' }]
    const journal: Journal = {
      plan,
      settings,
      passes: true,
      link: { mtu: 1500, queue: 500, isUp: false, generates: 'eui64' },
    }
    assert.equal(new JournalFile(state).read(), undefined)
    new JournalFile(state).write(journal)
    assert.deepEqual(new JournalFile(state).read(), journal)
    assert.deepEqual([statSync(path).mode & 0o777, statSync(state).mode & 0o777], [0o600, 0o700])
    assert.deepEqual(readdirSync(state), ['host-journal.json'])

    const text = readFileSync(path, 'utf8')
    writeFileSync(path, text.replace(/"machine":"[^"]*"/, '"machine":"another boot"'))
    assert.equal(new JournalFile(state).read(), undefined)
    const harmful = [
      text.slice(0, -20),
      text.replaceAll('"tailscale0"', '"x; route flush"'),
      text.replace('10.0.0.0/8', '10.0.0.0/8 dev eth0'),
      text.replace('192.168.1.0/24', '192.168.1.0/24\\nlink del eth0'),
      text.replaceAll('net/ipv4/conf/all/src_valid_mark', 'net/../kernel/core_pattern'),
      text.replace('"before":"0"', '"before":"|/bin/sh"'),
      text.replace('"to":"main"', '"to":"main; x"'),
      text.replace('"version":1', '"version":2'),
      text.replace('"eui64"', '"eui64 down"'),
      text.replace('"queue":500', '"queue":"500 down"'),
    ]
    for (const [i, bad] of harmful.entries()) {
      assert.notEqual(bad, text, String(i))
      writeFileSync(path, bad)
      assert.throws(() => new JournalFile(state).read(), { code: 'config/invalid' }, String(i))
    }
    const file = new JournalFile(state)
    file.write(journal)
    assert.deepEqual(file.read(), journal, 'a good one takes the place of a bad one')
    file.remove()
    file.remove()
    assert.deepEqual(readdirSync(state), [])
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a switch that only virtual machines and containers are plugged into leads nowhere', () => {
  const sys = mkdtempSync(join(tmpdir(), 'sett-sys-'))
  try {
    const files = ['docker0/bridge', 'docker0/brif/veth1', 'veth1', 'virbr0/bridge', 'virbr0/brif', 'eth0/device']
    files.push('br0/bridge', 'br0/brif/eth0', 'br0/brif/veth1', 'br1/bridge', 'br1/brif/eth0.7', 'eth0.7/lower_eth0')
    for (const each of files) mkdirSync(join(sys, each), { recursive: true })
    const verdicts = ['docker0', 'virbr0', 'br0', 'br1', 'eth0', 'nothing'].map((name) => isInnerSwitch(name, sys))
    assert.deepEqual(verdicts, [true, true, false, false, false, false])
  } finally {
    rmSync(sys, { recursive: true })
  }
})

test('without file descriptors left, a tool that cannot be run is an error of who wanted it, and nothing ends', () => {
  const module = (name: string): string => JSON.stringify(new URL(name, import.meta.url).href)
  const program = `
    import { openSync } from 'node:fs'
    const { run } = await import(${module('run.ts')})
    const { NetworkMonitor } = await import(${module('monitor.ts')})
    try { for (;;) openSync('/dev/null') } catch {}
    const said = await run('nft', ['list tables']).catch(({ code, message }) => code + ' ' + message)
    const monitor = new NetworkMonitor({ device: 'x', on: () => {} })
    await new Promise((resolve) => setImmediate(resolve))
    monitor.close()
    process.stdout.write(JSON.stringify(said))
  `
  const { status, stdout, stderr } = spawnSync(
    'sh',
    ['-c', 'ulimit -n 80 && exec "$0" --input-type=module -e "$1"', process.execPath, program],
    { encoding: 'utf8', timeout: 20_000 },
  )
  assert.deepEqual([status, stdout], [0, '"system/refused Cannot run nft: spawn nft EMFILE"'], stderr)
})
