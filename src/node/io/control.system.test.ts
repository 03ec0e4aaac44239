/**
 * The control session over real sockets with the real server: joins with a key, learns of the other node, survives the
 * server's death, keeps its map over its own, and leaves.
 */

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { TestServer } from '../../../test/support/server.ts'
import type { Mono, Wall } from '../../base/clock.ts'
import { discoKeyOf, lockKeyOf } from '../../base/keys.ts'
import type { PrivateKey } from '../../base/keys.ts'
import { Secret } from '../../base/secret.ts'
import { nodePrimitives } from '../../crypto/io/node-primitives.ts'
import { generateKey } from '../../crypto/primitives.ts'
import type { SessionOptions } from '../control/actions.ts'
import { ControlSession } from '../control/session.ts'
import { ControlShell } from './control-shell.ts'
import type { OwnerAction } from './control-shell.ts'
import { unzstd, zstd } from './control-zstd.ts'

const dice = nodePrimitives.random
const clocks = { mono: () => performance.now() as Mono, wall: () => Date.now() as Wall }

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      return server
    }),
  )
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  for (const server of servers) server.close()
  return ports
}

/** A daemon's control side alone, and what it keeps on disk. */
class Node {
  readonly session: ControlSession
  readonly shell: ControlShell
  readonly actions: OwnerAction[] = []
  readonly options: SessionOptions
  cached = Buffer.alloc(0)
  nodeKey: PrivateKey | undefined
  #watchers = new Set<() => void>()

  constructor(server: string, name: string, more: Partial<SessionOptions>) {
    this.options = {
      server,
      primitives: nodePrimitives,
      unzstd,
      zstd,
      machineKey: generateKey(dice),
      lockKey: lockKeyOf(dice(32)),
      discoKey: discoKeyOf(dice(32)),
      hostinfo: { OS: 'linux', Hostname: name, BackendLogID: 'ab'.repeat(32) },
      ...more,
    }
    this.session = new ControlSession(this.options)
    this.shell = new ControlShell(this.session, { clocks, mark: 0, on: (action) => this.#take(action) })
  }

  #take(action: OwnerAction): void {
    this.actions.push(action)
    if (action.kind === 'keys') this.nodeKey = action.nodeKey
    if (action.kind === 'cache')
      this.cached = Buffer.concat(action.how === 'replace' ? [action.bytes] : [this.cached, action.bytes])
    for (const look of this.#watchers) look()
  }

  start(): this {
    this.shell.run((session, now) => session.start(now))
    return this
  }

  /** Resolves once something holds, looking after each thing that happens. */
  async until(what: string, holds: () => boolean): Promise<void> {
    if (holds()) return
    await new Promise<void>((resolve, reject) => {
      const give = (act: () => void) => {
        clearTimeout(timer)
        this.#watchers.delete(look)
        act()
      }
      const timer = setTimeout(
        () => give(() => reject(new Error(`never: ${what}; ${JSON.stringify(this.session.state)}`))),
        30_000,
      )
      const look = () => {
        if (holds()) give(resolve)
      }
      this.#watchers.add(look)
    })
  }

  peerNames(): string[] {
    return [...(this.session.netmap?.peers.values() ?? [])].map((peer) => peer.Hostinfo?.Hostname ?? '').sort()
  }
}

test('two nodes join a real server, outlive it, and one of them leaves', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sett-control-'))
  const [port, relayPort, stun, stun2] = (await freePorts(4)) as [number, number, number, number]
  const server = await TestServer.start({ dir, port, relayPort, stunPorts: [stun, stun2] })
  const nodes: Node[] = []
  const begin = (name: string, more: Partial<SessionOptions>) => {
    const node = new Node(server.url, name, more)
    nodes.push(node)
    return node.start()
  }
  try {
    const { key } = await server.createKey({ reusable: true })
    const auth = { authKey: new Secret(key, 'auth key') }
    const [a, b] = [begin('alpha', auth), begin('beta', auth)]
    await a.until('a sees b', () => a.session.state.online && a.peerNames().includes('beta'))
    await b.until('b sees a', () => b.session.state.online && b.peerNames().includes('alpha'))

    // What one reports the other learns.
    a.shell.run((session, now) => session.setNetInfo({ PreferredDERP: 900 }, now))
    a.shell.run((session, now) => session.setEndpoints([{ address: '192.0.2.1:41641', type: 'stun' }], now))
    const alpha = () => [...(b.session.netmap?.peers.values() ?? [])][0]
    await b.until(
      'b knows where a is',
      () => alpha()?.Endpoints?.[0] === '192.0.2.1:41641' && alpha()?.HomeDERP === 900,
    )

    await server.kill()
    await a.until('a notices', () => !a.session.state.online)
    assert.deepEqual(a.peerNames(), ['beta'])
    assert.equal(a.session.state.phase, 'joined')

    // A daemon that starts meanwhile has its map all the same.
    b.shell.close()
    const { options, cached, nodeKey } = b
    const again = begin('beta', { ...options, cached, ...(nodeKey === undefined ? {} : { nodeKey }) })
    assert.deepEqual(again.peerNames(), ['alpha'])
    assert.equal(again.session.state.online, false)

    await server.start()
    await a.until('a is back', () => a.session.state.online)
    await again.until('b is back', () => again.session.state.online)
    assert.deepEqual([a.peerNames(), again.peerNames()], [['beta'], ['alpha']])
    assert.equal((await server.devices()).length, 2)

    a.shell.run((session, now) => session.logout(now))
    await a.until('a has left', () => a.session.state.phase === 'logged-out')
    await again.until('b sees that a is gone or past its time', () => {
      const peer = [...(again.session.netmap?.peers.values() ?? [])][0]
      return peer === undefined || peer.Expired === true || peer.Online === false
    })
  } finally {
    for (const node of nodes) node.shell.close()
    await server.stop()
    await rm(dir, { recursive: true })
  }
})
