/** The machine is as it was, whatever became of the daemon; and nothing leaks in between. On real kernels. */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { HostProblem } from '../../src/node/io/host/problems.ts'
import type { HostConfig } from '../../src/node/routes/host-plan.ts'
import { tunMissing } from './available.ts'
import { Lab } from './lab.ts'
import type { Namespace } from './namespace.ts'
import type { LabProcess } from './process.ts'

const run = promisify(execFile)
const skip = tunMissing()
const AGENT = fileURLToPath(new URL('host-agent.ts', import.meta.url))
const DEVICE = 'tailscale0'
const OWN = ['100.64.0.1/32', 'fd7a:115c:a1e0::1/128']
const PEERS = ['100.64.0.2/32', '100.100.100.100/32', 'fd7a:115c:a1e0::/48']
const EVERYTHING = ['0.0.0.0/0', '::/0']
const WORLD = '203.0.113.1'
const WORLD6 = '2001:db8:f::1'

type Answer = { readonly ms: number; readonly problems: readonly HostProblem[]; readonly [more: string]: unknown }

/** Agents that were started; a failed test leaves one, with all that it did, and the next needs its device. */
const agents: { readonly process: LabProcess; readonly host: Namespace; readonly folder: string }[] = []
afterEach(async () => {
  for (const { process: agent, host, folder } of agents.splice(0)) {
    if (!agent.alive) continue
    await agent.stop('SIGKILL')
    await host.exec(process.execPath, [AGENT, folder, 'cleanup'])
  }
})

class Agent {
  readonly process: LabProcess
  #asked = 0

  private constructor(process: LabProcess) {
    this.process = process
  }

  /** @param inside what to do first in a mount namespace of its own */
  static async start(host: Namespace, folder: string, inside = 'true', device = DEVICE): Promise<Agent> {
    const command = `${inside} && exec "$@"`
    const args = ['-c', command, 'sh', process.execPath, AGENT, folder, device]
    const agent = new Agent(host.spawn('sh', args, { name: 'agent' }))
    agents.push({ process: agent.process, host, folder })
    await agent.process.waitFor(/ready/)
    return agent
  }

  async ask(what: object): Promise<Answer> {
    this.process.write(`${JSON.stringify(what)}\n`)
    const said = await this.process.waitFor(new RegExp(`answer ${(this.#asked += 1)} (.*)\n`))
    return JSON.parse(said[1] as string) as Answer
  }

  /** Carries out a plan and wants no problems. */
  async apply(config: Partial<HostConfig>): Promise<Answer> {
    const answer = await this.ask({ apply: { addresses: OWN, routes: PEERS, udpPort: 41641, ...config } })
    assert.deepEqual(answer.problems, [])
    return answer
  }

  async end(): Promise<void> {
    this.process.child.stdin?.end()
    await this.process.ended
  }

  async kill(): Promise<void> {
    await this.process.stop('SIGKILL')
  }
}

/** All that a node might change, as texts. */
async function stateOf(host: Namespace): Promise<Record<string, string>> {
  const tables = (text: string): string =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .sort()
      .join('\n')
  // A device that was up once has a queue.
  const queue = /^\d+: |qdisc \S+/gm
  const ways = (family: string): Promise<string> => host.ip(family, 'route', 'show', 'table', 'all')
  const [links, addresses, rules4, rules6, routes4, routes6, chains, mark] = await Promise.all([
    host.ip('-d', 'link'),
    host.ip('addr'),
    host.ip('-4', 'rule'),
    host.ip('-6', 'rule'),
    ways('-4'),
    ways('-6'),
    host.exec('nft', ['list', 'ruleset']),
    host.exec('cat', ['/proc/sys/net/ipv4/conf/all/src_valid_mark']),
  ])
  return {
    links: links.replaceAll(queue, ''),
    addresses: addresses.replaceAll(queue, '').replaceAll(/valid_lft.*$/gm, ''),
    rules4,
    rules6,
    routes4: tables(routes4),
    routes6: tables(routes6.replaceAll(/ expires \d+sec/g, '')),
    chains,
    mark,
  }
}

/** Addresses that the kernel still tries out come and go by themselves. */
async function settled(host: Namespace): Promise<void> {
  while ((await host.ip('-6', 'addr', 'show', 'tentative')) !== '') await setTimeout(50)
}

async function reaches(host: Namespace, address: string, ...more: string[]): Promise<boolean> {
  return host.exec('ping', ['-c1', '-W1', ...more, address]).then(
    () => true,
    () => false,
  )
}

/** Which way packets to an address go: a device, or none. */
async function wayTo(host: Namespace, address: string): Promise<string> {
  const said = await host.ip('route', 'get', address).catch((error: Error) => error.message)
  return /\bdev (\S+)/.exec(said.includes('unreachable') ? '' : said)?.[1] ?? 'none'
}

/** What somebody else's firewall may be: everything is dropped that it doesn't know. */
const STRICT = `
  table inet theirs {
    chain input { type filter hook input priority filter; policy drop; iifname "lo" accept; ct state established,related accept; icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept; }
    chain forward { type filter hook forward priority filter; policy drop; ct state established,related accept; }
    chain helper { tcp dport 22 accept; }
  }
  table ip filter {
    chain INPUT { type filter hook input priority filter; policy drop; iifname "lo" accept; ct state established,related accept; }
  }`

const PLANS: readonly { readonly name: string; readonly config: Partial<HostConfig>; readonly killed?: true }[] = [
  { name: 'peers', config: {}, killed: true },
  { name: 'no IPv6 address', config: { addresses: OWN.slice(0, 1), routes: PEERS.slice(0, 2) } },
  { name: 'chains without jumps', config: { netfilter: 'nodivert', masquerade: true }, killed: true },
  { name: 'no firewall', config: { netfilter: 'off' } },
  { name: 'a subnet router', config: { masquerade: true, stateful: true, clampMss: true }, killed: true },
  { name: 'another port', config: { udpPort: 41642 } },
  { name: 'an exit node, local networks shut', config: { routes: [...PEERS, ...EVERYTHING, '198.51.100.0/24'] } },
  {
    name: 'an exit node, local networks open',
    config: { routes: [...PEERS, ...EVERYTHING], localRoutes: ['198.51.100.0/24', 'fd51::/64'] },
    killed: true,
  },
  { name: 'local networks shut again', config: { routes: [...PEERS, ...EVERYTHING, '198.51.100.0/24', 'fd51::/64'] } },
  { name: 'another MTU', config: { mtu: 1400 } },
  { name: 'nothing', config: { addresses: [], routes: [] } },
]

describe('the machine under a node', () => {
  let lab: Lab
  let host: Namespace
  let router: Namespace
  let folders = 0
  const folder = (): string => join(host.dir, `state${(folders += 1)}`)
  const cleanUp = (where: string): Promise<string> => host.exec(process.execPath, [AGENT, where, 'cleanup'])

  before(async () => {
    if (skip !== false) return
    lab = await Lab.open()
    const net = await lab.segment()
    host = await lab.namespace('host')
    router = await lab.namespace('router')
    await lab.plug(router, net, '198.51.100.1/24')
    await lab.plug(host, net, '198.51.100.10/24', { gateway: '198.51.100.1' })
    for (const [where, address] of [
      [router, 'fd51::1/64'],
      [host, 'fd51::10/64'],
    ] as const)
      await where.ip('addr', 'add', address, 'dev', 'eth0', 'nodad')
    await host.ip('-6', 'route', 'add', 'default', 'via', 'fd51::1')
    for (const address of [`${WORLD}/32`, `${WORLD6}/128`]) await router.ip('addr', 'add', address, 'dev', 'lo')
    await settled(host)
    await host.nft(STRICT)
    await host.exec('iptables-nft', ['-A', 'OUTPUT', '-p', 'tcp', '--dport', '25', '-j', 'DROP']).catch(() => '')
  })
  after(async () => {
    if (skip === false) await lab.close()
  })

  test('after plan upon plan, and down, it is as it was', { skip }, async () => {
    const before = await stateOf(host)
    const agent = await Agent.start(host, folder())
    for (const { name, config } of PLANS) {
      await agent.apply(config)
      const again = await agent.apply(config)
      assert.ok(again.ms >= 0, name)
    }
    for (const { config } of [...PLANS].reverse()) await agent.apply(config)
    const state = await stateOf(host)
    assert.notDeepEqual(state, before)
    assert.deepEqual((await agent.ask({ down: true })).problems, [])
    await agent.end()
    assert.deepEqual(await stateOf(host), before)
  })

  for (const { name, config } of PLANS.filter(({ killed }) => killed))
    test(`killed with ${name}, it is as it was after cleaning up`, { skip }, async () => {
      const before = await stateOf(host)
      const where = folder()
      const agent = await Agent.start(host, where)
      await agent.apply(config)
      const [journal] = readdirSync(where)
      assert.equal(statSync(join(where, journal ?? '')).mode & 0o777, 0o600)
      await agent.kill()
      assert.equal((await cleanUp(where)).trim(), 'cleaned []')
      assert.deepEqual(await stateOf(host), before)
      assert.deepEqual(readdirSync(where), [])
      assert.equal((await cleanUp(where)).trim(), 'cleaned []')
    })

  test(
    'on a full disk it does what can be undone without a journal, and the rest once there is room',
    { skip },
    async () => {
      const before = await stateOf(host)
      const where = folder()
      mkdirSync(where)
      await run('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'none', where])
      try {
        const fill = (): Promise<unknown> => run('sh', ['-c', `cat /dev/zero >> ${where}/fill || true`])
        const exit = { addresses: OWN, routes: [...PEERS, ...EVERYTHING] }
        const codes = async (agent: Agent, what: object): Promise<string[]> =>
          (await agent.ask(what)).problems.map(({ code }) => code)
        await fill()
        for (const end of ['kill', 'down'] as const) {
          const agent = await Agent.start(host, where)
          assert.deepEqual(await codes(agent, { apply: exit }), ['journal-unwritable'])
          assert.deepEqual(readdirSync(where), ['fill'])
          assert.deepEqual([await wayTo(host, WORLD), await wayTo(host, WORLD6)], [DEVICE, DEVICE])
          assert.equal((await stateOf(host))['mark'], before['mark'])
          if (end === 'down') assert.deepEqual(await codes(agent, { down: true }), [])
          await agent.kill()
          if (end === 'kill') assert.equal((await cleanUp(where)).trim(), 'cleaned []')
          assert.deepEqual(await stateOf(host), before)
        }
        const agent = await Agent.start(host, where)
        assert.deepEqual(await codes(agent, { apply: exit }), ['journal-unwritable'])
        assert.deepEqual(await codes(agent, { look: true }), ['journal-unwritable'])
        rmSync(`${where}/fill`)
        assert.deepEqual(await codes(agent, { look: true }), [])
        assert.deepEqual(readdirSync(where), ['host-journal.json'])
        await fill()
        // It takes the place of the last one.
        await agent.apply({})
        await agent.apply(exit)
        await agent.kill()
        // The same again needs nothing written.
        const next = await Agent.start(host, where)
        await next.apply(exit)
        await next.kill()
        assert.equal((await cleanUp(where)).trim(), 'cleaned []')
        assert.deepEqual(await stateOf(host), before)
      } finally {
        await run('umount', ['-l', where])
      }
    },
  )

  test('peers are reached, and reach us, through a firewall that drops what it does not know', { skip }, async () => {
    const agent = await Agent.start(host, folder())
    await agent.apply({})
    // The far side's answer is a new ping to us, which that firewall would drop.
    assert.ok(await reaches(host, '100.64.0.2'))
    assert.ok(await reaches(host, 'fd7a:115c:a1e0::2'))
    assert.ok(await reaches(host, WORLD))
    assert.equal(await reaches(router, '198.51.100.10'), false)
    const listed = await host.exec('iptables-nft', ['-S', 'INPUT']).catch(() => 'no iptables')
    assert.match(listed, /-i tailscale0.*-j ACCEPT|no iptables/)
    await agent.ask({ down: true })
    assert.equal(await reaches(host, '100.64.0.2'), false)
    await agent.end()
  })

  test(
    'whoever uses an exit node has no other way, also when the daemon is dead and when it is back',
    { skip },
    async () => {
      const before = await stateOf(host)
      const where = folder()
      const shut = { routes: [...PEERS, ...EVERYTHING, '198.51.100.0/24', 'fd51::/64'] }
      const open = { routes: [...PEERS, ...EVERYTHING], localRoutes: ['198.51.100.0/24', 'fd51::/64'] }
      const ways = async (): Promise<string[]> => {
        const to = [WORLD, WORLD6, '198.51.100.77', 'fd51::77']
        return Promise.all(to.map((address) => wayTo(host, address)))
      }
      assert.deepEqual(await ways(), ['eth0', 'eth0', 'eth0', 'eth0'])
      let agent = await Agent.start(host, where)
      await agent.apply(open)
      assert.deepEqual(await ways(), [DEVICE, DEVICE, 'eth0', 'eth0'])
      await agent.apply(shut)
      assert.deepEqual(await ways(), [DEVICE, DEVICE, DEVICE, DEVICE])
      assert.ok(await reaches(host, 'fd51::1', '-m', String(0x80000)), 'the daemon itself goes around the tunnel')

      await agent.kill()
      assert.deepEqual(await ways(), ['none', 'none', 'none', 'none'])
      for (const address of [WORLD, WORLD6]) {
        assert.equal(await reaches(host, address), false)
        assert.ok(await reaches(host, address, '-m', String(0x80000)), 'the next daemon finds its server')
      }

      agent = await Agent.start(host, where)
      assert.deepEqual(await ways(), ['none', 'none', 'none', 'none'], 'nothing is let out before there is a plan')
      await agent.apply(open)
      assert.deepEqual(await ways(), [DEVICE, DEVICE, 'eth0', 'eth0'])
      await agent.kill()
      assert.deepEqual(await ways(), ['none', 'none', 'eth0', 'eth0'])

      agent = await Agent.start(host, where)
      await agent.apply({})
      assert.deepEqual(await ways(), ['eth0', 'eth0', 'eth0', 'eth0'], 'no exit node any more')
      await agent.ask({ down: true })
      await agent.end()
      assert.deepEqual(await stateOf(host), before)
    },
  )

  test('packets from the tunnel to a subnet leave with our address, through that firewall', { skip }, async () => {
    await host.setSysctl('net/ipv4/ip_forward', '1')
    const listen = `require('node:dgram').createSocket('udp4').on('message', (_, from) => console.log('from ' + from.address))
      .bind(7777, () => console.log('bound'))`
    const server = router.spawn(process.execPath, ['-e', listen])
    await server.waitFor(/bound/)
    const agent = await Agent.start(host, folder())
    await agent.apply({ masquerade: true })
    await agent.ask({ send: datagram('100.64.0.2', '198.51.100.1', 7777) })
    assert.equal((await server.waitFor(/from (\S+)/))[1], '198.51.100.10')
    await agent.ask({ down: true })
    await agent.end()
    await server.stop()
    await host.setSysctl('net/ipv4/ip_forward', '0')
  })

  test(
    'a strict reverse-path filter lets answers to the daemon in, by the mark of their connection',
    { skip },
    async () => {
      await host.setSysctl('net/ipv4/conf/all/rp_filter', '1')
      const agent = await Agent.start(host, folder())
      const exit = { routes: [...PEERS, ...EVERYTHING] }
      await agent.apply({ ...exit, netfilter: 'off' })
      assert.equal(await reaches(host, WORLD, '-m', String(0x80000)), false, 'the answer seems to come the wrong way')
      await agent.apply(exit)
      assert.ok(await reaches(host, WORLD, '-m', String(0x80000)))
      await agent.ask({ down: true })
      await agent.end()
      await host.setSysctl('net/ipv4/conf/all/rp_filter', '0')
    },
  )

  test('nobody outside the tunnel speaks for an address of the tailnet', { skip }, async () => {
    const listen = `require('node:dgram').createSocket('udp4').on('message', (text, from) => console.log('got ' + text))
      .bind(7778, () => console.log('bound'))`
    for (const chain of ['inet theirs input', 'ip filter INPUT'])
      await host.nft(`insert rule ${chain} udp dport 7778 accept`)
    const server = host.spawn(process.execPath, ['-e', listen])
    await server.waitFor(/bound/)
    const agent = await Agent.start(host, folder())
    await agent.apply({})
    await router.ip('addr', 'add', '100.64.0.9/32', 'dev', 'lo')
    const send = (from: string, text: string): Promise<string> => {
      const program = `const s = require('node:dgram').createSocket('udp4')
        s.bind(0, '${from}', () => s.send('${text}', 7778, '198.51.100.10', () => s.close()))`
      return router.exec(process.execPath, ['-e', program])
    }
    await send('100.64.0.9', 'forged')
    await send('198.51.100.1', 'honest')
    await server.waitFor(/got honest/)
    assert.doesNotMatch(server.output, /forged/)
    await agent.ask({ down: true })
    await agent.end()
    await server.stop()
  })

  test('a thousand routes come and go in a handful of processes', { skip }, async (t) => {
    const before = await stateOf(host)
    const agent = await Agent.start(host, folder())
    const many = Array.from({ length: 1000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`)
    t.diagnostic(`joining in ${(await agent.apply({})).ms.toFixed(0)} ms`)
    const { ms } = await agent.apply({ routes: [...PEERS, ...many] })
    t.diagnostic(`1,000 routes in ${ms.toFixed(0)} ms`)
    const table = (await host.ip('route', 'show', 'table', '52')).trim().split('\n')
    assert.equal(table.length, 1002)
    await agent.apply({ routes: [...PEERS, ...many.slice(500)] })
    assert.equal((await host.ip('route', 'show', 'table', '52')).trim().split('\n').length, 502)
    const down = await agent.ask({ down: true })
    assert.deepEqual(down.problems, [])
    await agent.end()
    assert.deepEqual(await stateOf(host), before)
  })

  test(
    'rules that somebody deletes come back; changes of the network are told, our own are not',
    { skip },
    async () => {
      const agent = await Agent.start(host, folder())
      await agent.apply({})
      await host.ip('-4', 'rule', 'del', 'pref', '5270')
      await agent.process.waitFor(/repaired/)
      assert.match(await host.ip('-4', 'rule'), /5270:\s+from all lookup 52/)
      assert.doesNotMatch(agent.process.output, /change network/)
      await host.ip('addr', 'add', '198.51.100.11/24', 'dev', 'eth0')
      await agent.process.waitFor(/change network/)
      await host.ip('addr', 'del', '198.51.100.11/24', 'dev', 'eth0')
      await agent.ask({ down: true })
      await agent.end()
    },
  )

  test('a firewall that somebody flushes is back after the next look', { skip }, async () => {
    const agent = await Agent.start(host, folder())
    await agent.apply({ masquerade: true })
    const tables = (): Promise<string> => host.exec('nft', ['list', 'tables'])
    const before = await host.exec('nft', ['list', 'table', 'ip', `sett-${DEVICE}`])
    await host.nft(`delete table ip sett-${DEVICE}`)
    assert.doesNotMatch(await tables(), /table ip sett-/)
    assert.deepEqual((await agent.ask({ look: true })).problems, [])
    assert.equal(await host.exec('nft', ['list', 'table', 'ip', `sett-${DEVICE}`]), before)
    await agent.ask({ down: true })
    assert.deepEqual((await agent.ask({ look: true })).problems, [])
    assert.doesNotMatch(await tables(), /sett-/)
    await agent.end()
  })

  test('what was there already stays, and is told', { skip }, async () => {
    await host.ip('-4', 'rule', 'add', 'pref', '5270', 'table', '52')
    await host.ip('route', 'add', 'throw', '10.77.0.0/16', 'table', '52')
    const before = await stateOf(host)
    const agent = await Agent.start(host, folder())
    const { problems } = await agent.ask({ apply: { addresses: OWN, routes: [...PEERS, '10.77.0.0/16'] } })
    assert.deepEqual(
      problems.map(({ code }) => code),
      ['route-foreign', 'route-foreign'],
    )
    await agent.ask({ down: true })
    await agent.end()
    assert.deepEqual(await stateOf(host), before)
    await host.ip('-4', 'rule', 'del', 'pref', '5270')
    await host.ip('route', 'del', 'throw', '10.77.0.0/16', 'table', '52')
  })

  test('a device that outlives us gets its settings back, but no old addresses of a tailnet', { skip }, async (t) => {
    await host.ip('tuntap', 'add', DEVICE, 'mode', 'tun', 'vnet_hdr')
    t.after(() => host.ip('link', 'del', DEVICE))
    await host.ip('link', 'set', DEVICE, 'mtu', '1333')
    await host.ip('addr', 'add', '192.0.2.5/32', 'dev', DEVICE)
    const before = await stateOf(host)
    await host.ip('addr', 'add', '100.64.7.7/32', 'dev', DEVICE)
    const agent = await Agent.start(host, folder())
    await agent.apply({})
    const during = await host.ip('addr', 'show', DEVICE)
    assert.match(during, /mtu 1280[^]*qlen 1000[^]*192\.0\.2\.5/)
    assert.doesNotMatch(during, /100\.64\.7\.7|fe80/)
    assert.deepEqual((await agent.ask({ down: true })).problems, [])
    await agent.end()
    assert.deepEqual(await stateOf(host), before)
  })

  test('without nft the network works, and a warning says what does not', { skip }, async () => {
    const before = await stateOf(host)
    const nft = (await host.exec('sh', ['-c', 'readlink -f "$(command -v nft)"'])).trim()
    const agent = await Agent.start(host, folder(), `mount --bind /dev/null ${nft}`)
    const { problems } = await agent.ask({ apply: { addresses: OWN, routes: PEERS } })
    assert.deepEqual(
      problems.map(({ code }) => code),
      ['firewall-missing'],
    )
    assert.equal(await wayTo(host, '100.64.0.2'), DEVICE)
    assert.deepEqual((await agent.ask({ down: true })).problems, [])
    await agent.end()
    assert.deepEqual(await stateOf(host), before)
  })

  test('facts of the machine: ways out, networks, forwarding', { skip }, async () => {
    await host.setSysctl('net/ipv4/ip_forward', '0')
    const agent = await Agent.start(host, folder())
    const said = await agent.ask({ facts: true })
    assert.deepEqual(said['facts'], { ipv6: 'full', priorityBase: 5200, problems: [] })
    assert.deepEqual(said['devices'], { ipv4: 'eth0', ipv6: 'eth0' })
    const networks = (said['addresses'] as { device: string; prefix: string }[]).map((a) => `${a.device} ${a.prefix}`)
    for (const wanted of ['eth0 198.51.100.10/24', 'eth0 fd51::10/64', 'lo 127.0.0.1/8'])
      assert.ok(networks.includes(wanted), networks.join())
    assert.match((said['forwarding'] as HostProblem).text, /ip_forward=1.*forwarding=1/)
    await agent.end()
  })

  test('a journal that cannot be read is told, and another boot’s is nothing', { skip }, async () => {
    const before = await stateOf(host)
    for (const [text, want] of [
      ['{', /journal-unreadable/],
      ['{"version":1,"machine":"another","plan":{"device":"; reboot"}}', /journal-unreadable/],
    ] as const) {
      const where = folder()
      mkdirSync(where)
      writeFileSync(join(where, 'host-journal.json'), text)
      assert.match(await cleanUp(where), want)
      const agent = await Agent.start(host, where)
      const { problems } = await agent.ask({ apply: { addresses: OWN, routes: PEERS } })
      assert.deepEqual(
        problems.map(({ code }) => code),
        ['journal-unreadable'],
      )
      assert.deepEqual((await agent.ask({ down: true })).problems, [])
      await agent.end()
      assert.deepEqual(await stateOf(host), before)
    }
  })

  test(
    'a daemon that comes back with another device leaks nothing either, and takes the old one’s things away',
    { skip },
    async () => {
      const before = await stateOf(host)
      const where = folder()
      const first = await Agent.start(host, where)
      await first.apply({ routes: [...PEERS, ...EVERYTHING] })
      await first.kill()
      const second = await Agent.start(host, where, 'true', 'other0')
      assert.deepEqual([await wayTo(host, WORLD), await wayTo(host, WORLD6)], ['none', 'none'])
      assert.doesNotMatch(await host.exec('nft', ['list', 'ruleset']), /tailscale0/)
      await second.apply({ routes: [...PEERS, ...EVERYTHING] })
      assert.deepEqual([await wayTo(host, WORLD), await wayTo(host, WORLD6)], ['other0', 'other0'])
      assert.deepEqual((await second.ask({ down: true })).problems, [])
      await second.end()
      assert.deepEqual(await stateOf(host), before)
    },
  )

  test('a firewall of the older kind, which can’t be changed from here, is told', { skip }, async (t) => {
    await using other = await Lab.open()
    const old = await other.namespace('old')
    const made = await old.exec('iptables-legacy', ['-P', 'INPUT', 'DROP']).catch(() => undefined)
    if (made === undefined) return t.skip('this machine has no iptables-legacy')
    const agent = await Agent.start(old, join(old.dir, 'state'))
    const { facts } = (await agent.ask({ facts: true })) as unknown as { facts: { problems: readonly HostProblem[] } }
    assert.deepEqual(
      facts.problems.map(({ code }) => code),
      ['firewall-locked'],
    )
    await agent.end()
  })
})

describe('a machine without IPv6', () => {
  for (const [how, inside, code] of [
    ['switched off', 'true', 'blocking'],
    ['not in the kernel', 'mount -t tmpfs none /proc/sys/net/ipv6', 'none'],
  ] as const)
    test(`${how}: IPv4 works, an exit node’s user is blocked, and it is as it was afterwards`, { skip }, async () => {
      await using lab = await Lab.open()
      const host = await lab.namespace('host')
      const net = await lab.segment()
      await lab.plug(host, net, '198.51.100.10/24', { gateway: '198.51.100.1' })
      if (code === 'blocking') await host.setSysctl('net/ipv6/conf/default/disable_ipv6', '1')
      await settled(host)
      const before = await stateOf(host)
      const agent = await Agent.start(host, join(host.dir, 'state'), inside)
      const said = (await agent.ask({ facts: true }))['facts'] as { ipv6: string; problems: readonly HostProblem[] }
      assert.equal(said.ipv6, code)
      assert.deepEqual(
        said.problems.map((problem) => problem.code),
        ['ipv6-off'],
      )
      await agent.apply({ routes: [...PEERS, ...EVERYTHING] })
      assert.ok(await reaches(host, '100.64.0.2'))
      assert.equal(await wayTo(host, WORLD), DEVICE)
      // Another device may have IPv6 although the tunnel has none.
      if (code === 'blocking') assert.equal(await wayTo(host, WORLD6), 'none')
      await agent.kill()
      assert.equal(await wayTo(host, WORLD), 'none')
      await host.exec(process.execPath, [AGENT, join(host.dir, 'state'), 'cleanup'])
      assert.deepEqual(await stateOf(host), before)
    })
})

/** An IPv4 UDP datagram with two bytes in it. */
function datagram(from: string, to: string, port: number): string {
  const packet = Buffer.alloc(30)
  packet.set([0x45, 0, 0, 30, 0, 1, 0, 0, 64, 17])
  packet.set(from.split('.').map(Number), 12)
  packet.set(to.split('.').map(Number), 16)
  let sum = 0
  for (let at = 0; at < 20; at += 2) sum += packet.readUInt16BE(at)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  packet.writeUInt16BE(~sum & 0xffff, 10)
  packet.writeUInt16BE(40_000, 20)
  packet.writeUInt16BE(port, 22)
  packet.writeUInt16BE(10, 24)
  packet.write('hi', 28)
  return packet.toString('hex')
}
