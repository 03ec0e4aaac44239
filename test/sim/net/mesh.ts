/**
 * A tailnet on the simulated internet: nodes that run the real path finding, a control plane that tells everybody of
 * everybody after a while, relays, STUN servers, and traffic that stands for WireGuard's (type 4, never encrypted).
 */

import assert from 'node:assert/strict'
import type { Dice } from '../../../src/base/bytes.ts'
import { nodeKeyOf } from '../../../src/base/keys.ts'
import type { NodeKey } from '../../../src/base/keys.ts'
import { nodePrimitives } from '../../../src/crypto/io/node-primitives.ts'
import type { Primitives } from '../../../src/crypto/primitives.ts'
import { readEndpoint } from '../../../src/node/path/index.ts'
import type { Endpoint } from '../../../src/node/path/index.ts'
import { addressOf } from '../../../src/node/path/endpoint.ts'
import { decodeRequest, encodeResponse } from '../../../src/wire/stun.ts'
import { Internet, SimRelay } from './internet.ts'
import type { Line, Place } from './internet.ts'
import { MeshNode } from './node.ts'
import { sized } from '../../support/size.ts'

export interface MeshOptions {
  readonly seed: number
  readonly line?: Partial<Line>
  /** One way through a relay. */
  readonly relayDelayMs?: number
  /** Until a node's news are with its peers. */
  readonly controlDelayMs?: number
}

export interface NodeOptions extends Place {
  /** Region of its home relay; 0 for none. */
  readonly home?: number
}

export class Mesh {
  readonly internet: Internet
  readonly primitives: Primitives
  readonly nodes: MeshNode[] = []
  readonly #byKey = new Map<NodeKey, MeshNode>()
  /** Two, in different places, so that a NAT that maps by destination shows. */
  readonly stun: readonly Endpoint[]
  readonly #relays = new Map<number, SimRelay>()
  readonly #relayDelayMs: number
  readonly #controlDelayMs: number

  constructor({ seed, line, relayDelayMs = 40, controlDelayMs = 50 }: MeshOptions) {
    this.internet = new Internet({ seed, ...(line && { line }) })
    this.#relayDelayMs = relayDelayMs
    this.#controlDelayMs = controlDelayMs
    const random: Dice = (n) => Uint8Array.from({ length: n }, () => this.internet.random(256))
    this.primitives = { ...nodePrimitives, random }
    this.stun = [this.#stunServer(), this.#stunServer()]
  }

  get now(): number {
    return this.internet.clock.now
  }

  node(options: NodeOptions = {}): MeshNode {
    const node = new MeshNode(this, nodeKeyOf(this.primitives.random(32)), options)
    this.nodes.push(node)
    this.#byKey.set(node.key, node)
    this.publish(node)
    for (const other of this.nodes) if (other !== node) node.learn(other)
    return node
  }

  /** The control plane: everybody hears what the node says of itself now. */
  publish(node: MeshNode): void {
    const news = node.record()
    this.internet.clock.after(this.#controlDelayMs, () => {
      for (const other of this.nodes) if (other !== node) other.hear(news)
    })
  }

  relay(region: number): SimRelay {
    let relay = this.#relays.get(region)
    if (relay === undefined) {
      relay = new SimRelay(this.internet, region, this.#relayDelayMs)
      this.#relays.set(region, relay)
    }
    return relay
  }

  nodeOf(key: NodeKey): MeshNode {
    const node = this.#byKey.get(key)
    assert.ok(node !== undefined)
    return node
  }

  until(done: () => boolean, withinMs?: number, what?: string): void {
    this.internet.until(done, withinMs, what)
  }

  /** Simulated milliseconds until `done`. */
  timeUntil(done: () => boolean, withinMs?: number, what?: string): number {
    const begin = this.now
    this.until(done, withinMs, what)
    return this.now - begin
  }

  run(ms: number): void {
    this.internet.run(ms)
  }

  #stunServer(): Endpoint {
    const host = this.internet.host({
      datagram: (from, _to, bytes) => {
        const tx = decodeRequest(bytes)
        const seen = readEndpoint(from)
        if (tx !== undefined && seen !== undefined) host.send(from, encodeResponse(tx, addressOf(seen)))
      },
    })
    host.port = 3478
    return readEndpoint(`${host.attachment.ips[0]}:3478`) as Endpoint
  }
}

/** Runs `scene` under so many seeds (half of them as a sample), or under SETT_SIM_SEED alone; a failure names its seed. */
export function underSeeds(count: number, scene: (seed: number) => void): void {
  const only = process.env['SETT_SIM_SEED']
  const seeds =
    only === undefined ? Array.from({ length: sized(Math.ceil(count / 2), count) }, (_, i) => i + 1) : [Number(only)]
  for (const seed of seeds) {
    try {
      scene(seed)
    } catch (cause) {
      throw new Error(`Seed ${seed} fails (SETT_SIM_SEED=${seed} replays it): ${(cause as Error).message}`, { cause })
    }
  }
}
