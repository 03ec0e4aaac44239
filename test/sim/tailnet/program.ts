/**
 * A node's process: the real control session, and the tunnel that lives as long as a node key, as io/live-node.ts and
 * io/control-shell.ts put them together.
 */

import { concat } from '../../../src/base/bytes.ts'
import type { Mono } from '../../../src/base/clock.ts'
import { NEVER } from '../../../src/base/clock.ts'
import type { NodeKey, PrivateKey } from '../../../src/base/keys.ts'
import { Secret } from '../../../src/base/secret.ts'
import { discoKeyFor, generateKey, nodeKeyFor } from '../../../src/crypto/primitives.ts'
import type { ControlAction, Now } from '../../../src/node/control/actions.ts'
import { differences } from '../../../src/node/control/netmap.ts'
import type { NetmapChanges, NetworkMap } from '../../../src/node/control/netmap.ts'
import { ControlSession } from '../../../src/node/control/session.ts'
import { unzstd, zstd } from '../../../src/node/io/control-zstd.ts'
import { SERVER_NAME } from './server.ts'
import type { SimMachine } from './machine.ts'
import { SimTunnel } from './tunnel.ts'
import type { StreamEnd } from '../net/streams.ts'

export class Program {
  readonly machine: SimMachine
  readonly disco: PrivateKey
  readonly session: ControlSession
  tunnel: SimTunnel | undefined
  #tunnelKey: NodeKey | undefined
  readonly #conns = new Map<number, StreamEnd>()
  readonly #alarm: Alarm
  #ended = false

  constructor(machine: SimMachine, authKey: string) {
    this.machine = machine
    const { primitives } = machine.world
    this.disco = generateKey(primitives.random)
    const { machineKey, lockKey, nodeKey, oldNodeKey, map } = machine.disk
    this.session = new ControlSession({
      server: `http://${SERVER_NAME}`,
      primitives,
      unzstd,
      zstd,
      machineKey,
      lockKey,
      discoKey: discoKeyFor(primitives, this.disco),
      ...(nodeKey && { nodeKey }),
      ...(oldNodeKey && { oldNodeKey }),
      hostinfo: { OS: 'linux', Hostname: machine.name, BackendLogID: 'ab'.repeat(32) },
      authKey: new Secret(authKey, 'auth key'),
      ...(map && { cached: map }),
    })
    this.#alarm = new Alarm(
      machine,
      'session',
      () => this.session.deadline(),
      (_) => this.run((s, now) => s.tick(now)),
    )
    this.run((session, now) => session.start(now))
  }

  get isEnded(): boolean {
    return this.#ended
  }

  /** Gives the session an input, and does what it asks for. */
  run(input: (session: ControlSession, now: Now) => readonly ControlAction[]): void {
    if (this.#ended) return
    const now = { mono: this.machine.mono(), wall: this.machine.wall() }
    for (const action of input(this.session, now)) this.#do(action)
    this.#alarm.set()
  }

  /** Does it, in order, and not from within this call. */
  soon(act: () => void): void {
    this.machine.world.internet.clock.after(0, () => {
      if (this.#ended) return
      if (this.machine.isAwake) act()
    })
  }

  networkChanged(): void {
    this.tunnel?.networkChanged()
    this.run((session, now) => session.networkChanged(now))
  }

  /** The process is killed: its connections break. */
  end(): void {
    this.#ended = true
    this.#alarm.end()
    this.tunnel?.end()
    for (const end of this.#conns.values()) end.close()
  }

  #do(action: ControlAction): void {
    const { disk, world } = this.machine
    switch (action.kind) {
      case 'dial':
        return this.#dial(
          action.conn,
          action.tls ? `${action.host}:${action.port}/tls` : `${action.host}:${action.port}`,
        )
      case 'send':
        return this.#conns.get(action.conn)?.send(action.bytes)
      case 'close':
        this.#conns.get(action.conn)?.close()
        this.#conns.delete(action.conn)
        return
      case 'fetch': {
        const { id, url, timeoutMs } = action
        return world.fetch(this.machine, url, timeoutMs, (result) => this.run((s, now) => s.fetched(id, result, now)))
      }
      case 'keys':
        disk.nodeKey = action.nodeKey
        if (action.oldNodeKey === undefined) delete disk.oldNodeKey
        else disk.oldNodeKey = action.oldNodeKey
        return
      case 'keys-gone':
        delete disk.nodeKey
        delete disk.oldNodeKey
        return
      case 'cache':
        disk.map = action.how === 'replace' ? action.bytes : concat([disk.map as Uint8Array, action.bytes])
        return
      case 'cache-gone':
        delete disk.map
        return
      case 'netmap-changed':
        return this.#netmap(action.changes)
      case 'netmap-gone':
        return this.#closeTunnel()
      case 'c2n':
        return this.soon(() => this.run((s, now) => s.answerC2n(action.id, undefined, now)))
      case 'ping':
        return this.soon(() => this.run((s, now) => s.answerPing(action.id, undefined, now)))
      default:
        return
    }
  }

  #dial(conn: number, name: string): void {
    const end = this.machine.world.streams.connect(this.machine.host, name, {
      connected: () => this.run((session, now) => session.connected(conn, now)),
      data: (bytes) => this.run((session, now) => session.received(conn, bytes, now)),
      closed: (why) => {
        if (this.#conns.delete(conn)) this.run((session, now) => session.closed(conn, why, now))
      },
    })
    this.#conns.set(conn, end)
  }

  #netmap(changes: NetmapChanges): void {
    const map = this.session.netmap as NetworkMap
    const { nodeKey } = this.machine.disk
    if (nodeKey === undefined) return
    const key = nodeKeyFor(this.machine.world.primitives, nodeKey)
    if (this.#tunnelKey === key) return this.tunnel?.netmap(map, changes)
    this.#closeTunnel()
    this.#tunnelKey = key
    this.tunnel = new SimTunnel(this, nodeKey)
    this.tunnel.netmap(map, differences(undefined, map))
  }

  #closeTunnel(): void {
    this.tunnel?.end()
    this.tunnel = undefined
    this.#tunnelKey = undefined
  }
}

/** One timer of a machine, which follows a deadline. A tick that leaves its deadline where it was is an error. */
export class Alarm {
  readonly #machine: SimMachine
  readonly #what: 'session' | 'engine' | 'relays'
  readonly #deadline: () => Mono
  readonly #tick: (now: Mono) => void
  #at = NEVER
  #ended = false

  constructor(
    machine: SimMachine,
    what: 'session' | 'engine' | 'relays',
    deadline: () => Mono,
    tick: (now: Mono) => void,
  ) {
    this.#machine = machine
    this.#what = what
    this.#deadline = deadline
    this.#tick = tick
  }

  /** The deadline may have changed. */
  set(): void {
    const at = this.#deadline()
    if (at === this.#at) return
    this.#at = at
    if (at === NEVER) return
    this.#machine.at(at, () => {
      if (this.#at !== at || this.#ended) return
      this.#at = NEVER
      const now = this.#machine.mono()
      this.#machine.ticks[this.#what]++
      this.#tick(now)
      const next = this.#deadline()
      if (!(next > now) && !this.#ended)
        throw new Error(
          `${this.#machine.name}: ${this.#what} has done its tick at ${now}, and wants another at ${next}`,
        )
      this.set()
    })
  }

  end(): void {
    this.#ended = true
    this.#at = NEVER
  }
}
