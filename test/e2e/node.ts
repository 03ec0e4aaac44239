/**
 * A node as a test needs one: it joins over real Noise and HTTP/2, holds its map stream, keeps every message of it as
 * text, and has its keys at hand for whatever else it is to try.
 */

import type { DiscoKey, NodeKey, PrivateKey } from '../../src/base/keys.ts'
import { discoKeyOf } from '../../src/base/keys.ts'
import { nodePrimitives } from '../../src/crypto/io/node-primitives.ts'
import { generateKey, nodeKeyFor } from '../../src/crypto/primitives.ts'
import { CLIENT_VERSION, ControlClient, decodeFrame, registerBody } from '../support/control-client.ts'
import type { Answer, MapStream } from '../support/control-client.ts'
import { DerpClient } from '../support/derp-client.ts'
import type { MapMessage, MapNode } from '../support/world.ts'
import type { Coord } from './coord.ts'

export const drawKey = (): PrivateKey => generateKey(nodePrimitives.random)
export const publicNodeKey = (key: PrivateKey): NodeKey => nodeKeyFor(nodePrimitives, key)

export interface NodeOptions {
  readonly authKey: string
  readonly hostname?: string
  readonly endpoints?: readonly string[]
  readonly routes?: readonly string[]
  /** What it says of its host beside its name. */
  readonly hostinfo?: object
}

export class Node {
  readonly coord: Coord
  readonly hostname: string
  readonly machineKey = drawKey()
  readonly privateKey = drawKey()
  readonly nodeKey = publicNodeKey(this.privateKey)
  readonly discoKey: DiscoKey = discoKeyOf(nodePrimitives.random(32))
  client!: ControlClient
  stream!: MapStream
  /** What came over the map stream, in order. */
  readonly messages: MapMessage[] = []
  /** Peers by id, as the messages so far say. */
  readonly peers = new Map<number, MapNode>()
  self: MapNode | undefined
  readonly #options: NodeOptions
  #watchers = new Set<() => void>()

  constructor(coord: Coord, options: NodeOptions) {
    this.coord = coord
    this.#options = options
    this.hostname = options.hostname ?? 'machine'
  }

  /** Joins and has its first map. */
  static async join(coord: Coord, options: NodeOptions): Promise<Node> {
    const node = new Node(coord, options)
    await node.connect()
    const { status, text } = await node.register()
    const { Error: refusal } = JSON.parse(text) as { Error?: string }
    if (status !== 200 || refusal) throw new Error(`${node.hostname} cannot join: ${status} ${text}`)
    await node.openMap()
    return node
  }

  async connect(): Promise<void> {
    this.client = await ControlClient.connect({ url: this.coord.url, machineKey: this.machineKey })
  }

  register(more: object = {}): Promise<Answer> {
    const { nodeKey, hostname } = this
    const { authKey } = this.#options
    return this.client.register({
      ...registerBody({ nodeKey, authKey, hostname }),
      Hostinfo: this.#hostinfo(),
      ...more,
    })
  }

  /** Opens its map stream and waits for the first map. */
  async openMap(): Promise<void> {
    const before = this.messages.length
    this.stream = this.client.map(this.mapBody({ Stream: true }), (bytes) => this.#take(decodeFrame(bytes)))
    const { status, text } = await this.stream.opened
    if (status !== 200) throw new Error(`${this.hostname} gets no map: ${status} ${text}`)
    await this.until(() => this.messages.length > before, 'a first map')
  }

  /** A map request's body; a lite update's unless more is said. */
  mapBody(more: object = {}): object {
    return {
      Version: CLIENT_VERSION,
      KeepAlive: true,
      Compress: 'zstd',
      NodeKey: this.nodeKey,
      DiscoKey: this.discoKey,
      Hostinfo: this.#hostinfo(),
      Endpoints: this.#options.endpoints ?? [],
      ...('Stream' in more ? {} : { OmitPeers: true }),
      ...more,
    }
  }

  /** Tells the server how it is now. */
  async update(more: object = {}): Promise<void> {
    const { status, text } = await this.client.request('POST', '/machine/map', this.mapBody(more))
    if (status !== 200) throw new Error(`${this.hostname} cannot update: ${status} ${text}`)
  }

  /** Waits for a state of its map. */
  async until(holds: () => boolean, what: string, within = 20_000): Promise<void> {
    let over = false
    const timer = setTimeout(() => {
      over = true
      this.#tell()
    }, within)
    void this.client.closed.then(() => this.#tell())
    try {
      while (!holds()) {
        if (over) throw new Error(`${this.hostname} waited ${within} ms for ${what}`)
        await new Promise<void>((resolve) => this.#watchers.add(resolve))
      }
    } finally {
      clearTimeout(timer)
    }
  }

  /** Waits until it sees so many peers online. */
  async sees(count: number): Promise<void> {
    await this.until(() => [...this.peers.values()].filter((peer) => peer.Online).length === count, `${count} peers`)
  }

  peerNamed(label: string): MapNode | undefined {
    return [...this.peers.values()].find((peer) => peer.Name.split('.', 1)[0] === label)
  }

  /** Everything that it was ever told, as text. */
  get told(): string {
    return JSON.stringify(this.messages)
  }

  /** Connects to the relay with its node key, or whichever is given. */
  relay(key = this.privateKey): Promise<DerpClient> {
    return DerpClient.connect({ port: this.coord.relayPort, ca: this.coord.certificate, key }, new Uint8Array(32))
  }

  close(): void {
    this.client?.close()
  }

  #hostinfo(): object {
    const { routes, hostinfo } = this.#options
    return {
      OS: 'linux',
      Hostname: this.hostname,
      IPNVersion: '1.102.5',
      ...(routes === undefined ? {} : { RoutableIPs: routes }),
      ...hostinfo,
    }
  }

  #take(message: MapMessage): void {
    this.messages.push(message)
    if (message.Node !== undefined) this.self = message.Node
    if (message.Peers !== undefined) {
      this.peers.clear()
      for (const peer of message.Peers) this.peers.set(peer.ID, peer)
    }
    for (const peer of message.PeersChanged ?? []) this.peers.set(peer.ID, peer)
    for (const id of message.PeersRemoved ?? []) this.peers.delete(id)
    for (const { NodeID, ...patch } of message.PeersChangedPatch ?? []) {
      const peer = this.peers.get(NodeID as number)
      if (peer !== undefined) this.peers.set(peer.ID, { ...peer, ...patch })
    }
    this.#tell()
  }

  #tell(): void {
    const watchers = this.#watchers
    this.#watchers = new Set()
    for (const look of watchers) look()
  }
}
