/**
 * Two machines with our own daemon and our own server on a switch, from the first `sett up` to the last `sett down`:
 * they find each other, speak through their tunnels, survive a restart, and leave their machines as they were.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { SETT, TestServer } from '../support/server.ts'
import { tunMissing } from './available.ts'
import { Lab } from './lab.ts'
import type { Namespace } from './namespace.ts'
import type { LabProcess } from './process.ts'

const skip = tunMissing()
const SETTD = fileURLToPath(new URL('../../bin/settd', import.meta.url))
const SERVER = '198.51.100.1'

/** Sends back what comes. */
const SERVE = `require('node:net').createServer((s) => s.on('error', () => {}).pipe(s)).listen(5000, process.argv[1], () => console.log('serving'))`

/** Sends so many megabytes and compares what comes back with what went. */
const FETCH = `
const { createHash, randomBytes } = require('node:crypto'), s = require('node:net').connect(5000, process.argv[1])
const block = randomBytes(1 << 20), out = createHash('sha256'), back = createHash('sha256')
s.on('data', (d) => back.update(d))
s.on('end', () => console.log(back.digest('hex') === out.digest('hex') ? 'same' : 'other'))
let left = Number(process.argv[2])
const send = () => { while (left-- > 0) { out.update(block); if (!s.write(block)) return s.once('drain', send) } s.end() }
send()`

interface Status {
  readonly BackendState: string
  readonly Health: readonly string[]
  readonly Self: { readonly TailscaleIPs: readonly string[] | null; readonly Online: boolean }
  readonly Peer: {
    readonly [key: string]: { readonly HostName: string; readonly CurAddr: string; readonly RxBytes: number }
  } | null
}

class Machine {
  readonly where: Namespace
  readonly socket: string
  daemon: LabProcess | undefined

  constructor(where: Namespace) {
    this.where = where
    this.socket = `${where.dir}/settd.sock`
  }

  async start(): Promise<void> {
    const { where, socket } = this
    this.daemon = where.spawn(SETTD, ['--statedir', `${where.dir}/state`, '--socket', socket, '--port', '41641'], {
      name: 'settd',
    })
    await this.daemon.waitFor(/answers on/)
  }

  sett(...args: string[]): Promise<string> {
    return this.where.exec(SETT, ['--socket', this.socket, ...args], { timeoutMs: 60_000 })
  }

  async status(): Promise<Status> {
    return JSON.parse(await this.sett('status', '--json')) as Status
  }

  /** Resolves once the status is as wanted. */
  async until(what: string, holds: (status: Status) => boolean): Promise<Status> {
    let last: Status | undefined
    for (let tries = 0; tries < 60; tries += 1) {
      last = await this.status()
      if (holds(last)) return last
      await new Promise((resolve) => setTimeout(resolve, 250))
    }
    throw new Error(`${this.where.name}: never ${what}: ${JSON.stringify(last)}\n${this.daemon?.output.slice(-3000)}`)
  }

  /** What a node changes of its machine, as the kernel shows it. */
  async traces(): Promise<string> {
    const { where } = this
    const [rules4, rules6, routes4, routes6, nft] = await Promise.all([
      where.ip('-4', 'rule', 'show'),
      where.ip('-6', 'rule', 'show'),
      where.ip('-4', 'route', 'show', 'table', 'all'),
      where.ip('-6', 'route', 'show', 'table', 'all'),
      where.exec('nft', ['list', 'ruleset']),
    ])
    // What the kernel makes by itself for a device that is there belongs to nobody.
    const own = (routes: string): string[] => routes.split('\n').filter((line) => !/dev (sett0|eth0)/.test(line))
    return JSON.stringify([rules4, rules6, own(routes4), own(routes6), nft], undefined, 1)
  }
}

/** What `ping` says once something has come back. */
const reachable = (from: Machine, address: string): Promise<string> =>
  from.where.exec('ping', ['-c', '1', '-i', '0.5', '-w', '20', address])

describe('two nodes and a server, all ours', { skip }, () => {
  let lab: Lab
  let server: TestServer
  let a: Machine
  let b: Machine
  let before0 = ''
  let addresses: { readonly four: string; readonly six: string }

  before(async () => {
    lab = await Lab.open()
    const net = await lab.segment()
    const home = await lab.namespace('server')
    await lab.plug(home, net, `${SERVER}/24`)
    server = await TestServer.start({ dir: `${home.dir}/coord`, host: SERVER, namespace: home })
    const machines = await Promise.all(
      ['anna', 'ben'].map(async (name, i) => {
        const where = await lab.namespace(name)
        await lab.plug(where, net, `198.51.100.${10 + i}/24`)
        const machine = new Machine(where)
        if (i === 0) before0 = await machine.traces()
        await machine.start()
        return machine
      }),
    )
    ;[a, b] = machines as [Machine, Machine]
  })
  after(async () => {
    if (skip === false) await lab.close()
  })

  test('before a login there is nothing to see', async () => {
    assert.equal((await a.status()).BackendState, 'NeedsLogin')
    assert.equal(await a.traces(), before0)
  })

  test('they come up with a key', async () => {
    const { key } = await server.createKey({ reusable: true })
    const up = (machine: Machine): Promise<string> =>
      machine.sett(
        'up',
        `--login-server=${server.url}`,
        `--auth-key=${key}`,
        `--hostname=${machine.where.name}`,
        '--timeout=40s',
      )
    await Promise.all([up(a), up(b)]).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${a.daemon?.output}\n${b.daemon?.output}`)
    })
    const { Self } = await b.until('it sees the other', ({ BackendState, Peer }) => {
      return BackendState === 'Running' && Object.values(Peer ?? {}).some(({ HostName }) => HostName === 'anna')
    })
    const [four = '', six = ''] = Self.TailscaleIPs ?? []
    addresses = { four, six }
    await a.until('it sees the other', ({ Peer }) => Object.keys(Peer ?? {}).length === 1)
    assert.match(await a.sett('status'), /\bben\b/)
  })

  test('kernels reach each other through the tunnel, over IPv4 and IPv6', async () => {
    for (const address of [addresses.four, addresses.six])
      assert.match(await a.where.exec('ping', ['-c', '3', '-W', '5', address]), / [123] received/)
  })

  test('the way is direct', async () => {
    assert.match(await a.sett('ping', '--timeout=10s', addresses.four), /via 198\.51\.100\.11:41641/)
    const { Peer } = await a.until('the path is direct', ({ Peer }) => Object.values(Peer ?? {})[0]?.CurAddr !== '')
    assert.equal(Object.values(Peer ?? {})[0]?.CurAddr, '198.51.100.11:41641')
  })

  test('a transfer arrives as it was sent', async () => {
    for (const address of [addresses.four, addresses.six]) {
      const serving = b.where.spawn(process.execPath, ['-e', SERVE, address], { name: 'serve' })
      await serving.waitFor(/serving/)
      const said = await a.where.exec(process.execPath, ['-e', FETCH, address, '16'], { timeoutMs: 60_000 })
      assert.equal(said.trim(), 'same')
      await serving.stop('SIGKILL')
    }
  })

  test('shields up: nobody gets in, until they are down again', async () => {
    const reached = (): Promise<boolean> =>
      a.where.exec('ping', ['-c', '1', '-W', '2', addresses.four]).then(
        () => true,
        () => false,
      )
    await b.sett('set', '--shields-up')
    assert.equal(await reached(), false)
    await b.sett('set', '--shields-up=false')
    assert.equal(await reached(), true)
  })

  test('without UDP the relay carries it', async () => {
    await a.where.blockUdp()
    assert.match(await reachable(a, addresses.four), / [1-9]\d* received/)
    assert.match(await a.sett('ping', '-c', '1', '--until-direct=false', '--timeout=10s', addresses.four), /via DERP\(/)
    await a.where.allowUdp()
  })

  test('a network behind a node is reached by whoever accepts its routes', async () => {
    await b.where.ip('link', 'add', 'inner', 'type', 'bridge')
    await b.where.ip('address', 'add', '10.77.0.1/24', 'dev', 'inner')
    await b.where.ip('link', 'set', 'inner', 'up')
    await b.sett('set', '--advertise-routes=10.77.0.0/24')
    const { nodeId } = await server.device('ben')
    await server.admin('nodes', 'routes', nodeId, '--approve', '10.77.0.0/24')
    assert.doesNotMatch(await a.where.ip('route', 'show', 'table', '52'), /10\.77/)
    await a.sett('set', '--accept-routes')
    await a.until('the route is there', ({ Peer }) => JSON.stringify(Peer).includes('10.77.0.0/24'))
    assert.match(await reachable(a, '10.77.0.1'), / [1-9]\d* received/)
    assert.match(await a.where.ip('route', 'show', 'table', '52'), /10\.77\.0\.0\/24 dev sett0/)
    await a.sett('set', '--accept-routes=false')
    assert.doesNotMatch(await a.where.ip('route', 'show', 'table', '52'), /10\.77/)
    await b.sett('set', '--advertise-routes=')
    await b.where.ip('link', 'delete', 'inner')
  })

  test('an exit node takes all there is, and gives it back', async () => {
    await b.sett('set', '--advertise-exit-node')
    const { nodeId } = await server.device('ben')
    await server.admin('nodes', 'routes', nodeId, '--approve', '0.0.0.0/0,::/0')
    await a.until('it is offered', ({ Peer }) => JSON.stringify(Peer).includes('"ExitNodeOption":true'))
    await a.sett('set', `--exit-node=${addresses.four}`)
    assert.match(await a.where.ip('route', 'get', '203.0.113.1'), /dev sett0 table 52/)
    assert.match(await reachable(a, addresses.four), / [1-9]\d* received/)
    await a.sett('set', '--exit-node=')
    assert.doesNotMatch(await a.where.ip('route', 'show', 'table', '52'), /default/)
    await b.sett('set', '--advertise-exit-node=false')
  })

  test('nodes go on, and start, while the server is away', async () => {
    await server.kill()
    assert.match(await reachable(a, addresses.four), / [1-9]\d* received/)
    assert.equal(await b.daemon?.stop('SIGTERM'), true)
    await b.start()
    // From the kept map. Its disco key is new, which only a server or relay can tell the other.
    const { Peer, Self } = await b.status()
    assert.deepEqual([Object.values(Peer ?? {})[0]?.HostName, Self.TailscaleIPs?.[0]], ['anna', addresses.four])
    await server.start()
    await b.until('the server is back', ({ BackendState, Self }) => Self.Online && BackendState === 'Running')
    assert.match(await reachable(a, addresses.four), / [1-9]\d* received/)
  })

  test('a daemon that is started anew comes back by itself', async () => {
    assert.equal(await b.daemon?.stop('SIGTERM'), true)
    await b.start()
    await b.until('it runs again', ({ BackendState }) => BackendState === 'Running')
    assert.match(await reachable(a, addresses.four), / [1-9]\d* received/)
  })

  test('so does one that was killed', async () => {
    await b.daemon?.stop('SIGKILL')
    await b.start()
    await b.until('it runs again', ({ BackendState }) => BackendState === 'Running')
    assert.match(await reachable(a, addresses.four), / [1-9]\d* received/)
  })

  test('down leaves the machine as it was, and up brings it back', async () => {
    await a.sett('down')
    assert.equal((await a.status()).BackendState, 'Stopped')
    assert.equal(await a.traces(), before0)
    await a.sett('up')
    assert.match(await a.where.exec('ping', ['-c', '3', '-W', '5', addresses.four]), / [123] received/)
  })

  test('a logout leaves no key behind, and the end leaves nothing', async () => {
    await a.sett('logout')
    assert.equal((await a.status()).BackendState, 'NeedsLogin')
    assert.equal(await a.traces(), before0)
    for (const machine of [a, b]) assert.equal(await machine.daemon?.stop('SIGTERM'), true)
    assert.equal(await b.traces().then((text) => text.replaceAll('198.51.100.11', '198.51.100.10')), before0)
  })
})
