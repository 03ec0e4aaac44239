/**
 * What clients and administrators do to a server that is about to be killed: several of them at once, each one act
 * after another, and every act is booked before it is asked for and again when it is acknowledged.
 */

import { discoKeyOf } from '../../src/base/keys.ts'
import { nodePrimitives } from '../../src/crypto/io/node-primitives.ts'
import { generateKey } from '../../src/crypto/primitives.ts'
import type { Coord } from '../e2e/coord.ts'
import { drawKey, publicNodeKey } from '../e2e/node.ts'
import { CLIENT_VERSION, ControlClient, decodeFrame, registerBody } from '../support/control-client.ts'
import type { MapMessage } from '../support/world.ts'
import type { Book, BookedKey, BookedNode } from './book.ts'
import { Promised } from './book.ts'

/** Gives whole numbers below its argument. */
export type Random = (below: number) => number

const ACTS = {
  join: 6,
  move: 5,
  rename: 4,
  keepForever: 2,
  makeKey: 3,
  revoke: 1,
  remove: 1,
} as const

export class Load {
  readonly #coord: Coord
  readonly #book: Book
  readonly #random: Random
  /** Acts that were acknowledged, by kind. */
  readonly done: Record<string, number> = {}
  /** The server is being killed: from now on it owes no answers. */
  #dying = false
  #count = 0
  readonly #name: string

  /** @param name sets this load's names apart from those of others */
  constructor(coord: Coord, book: Book, random: Random, name: string) {
    this.#coord = coord
    this.#book = book
    this.#random = random
    this.#name = name
  }

  /** Works with so many at once until the server no longer answers, after `stop`; before that, it must. */
  async run(workers: number): Promise<void> {
    await Promise.all(Array.from({ length: workers }, () => this.#work()))
  }

  stop(): void {
    this.#dying = true
  }

  async #work(): Promise<void> {
    const draws = Object.entries(ACTS).flatMap(([act, weight]) => Array<string>(weight).fill(act))
    while (!this.#dying) {
      const act = draws[this.#random(draws.length)] as keyof typeof ACTS
      try {
        if (await this[act]()) this.done[act] = (this.done[act] ?? 0) + 1
      } catch (error) {
        if (!this.#dying) throw new Error(`${act} failed while nobody had killed the server`, { cause: error })
      }
    }
  }

  #fresh(): string {
    return `${this.#name}-${this.#count++}`
  }

  #pick<T>(from: readonly T[]): T | undefined {
    return from[this.#random(from.length)]
  }

  // The acts. Each says whether there was something to do.

  async join(): Promise<boolean> {
    const usable = this.#book.keys.filter(
      ({ reusable, users, revoked }) => !revoked.acknowledged && (reusable || users.length === 0),
    )
    const key = (this.#random(3) > 0 ? undefined : this.#pick(usable)) ?? (await this.#newKey(this.#random(3) === 0))
    if (!key.reusable && key.users.length > 0) return false
    const node = newNode(this.#fresh(), key)
    key.users.push(node)
    this.#book.nodes.push(node)
    await register(this.#coord, node)
    node.mapped.ask(true)
    await openMap(node, this.#book)
    node.mapped.acknowledge()
    node.busy = false
    return true
  }

  async move(): Promise<boolean> {
    return await this.#with(async (node) => {
      const client = await connected(this.#coord, node)
      const endpoints = [`198.51.100.${1 + this.#random(250)}:${1 + this.#random(65_000)}`]
      node.endpoints.ask(endpoints)
      const body = { ...mapBody(node), OmitPeers: true, Endpoints: endpoints, EndpointTypes: [2] }
      // A client that has no map yet says its disco key this way too.
      node.mapped.ask(true)
      const { status, text } = await client.request('POST', '/machine/map', body)
      if (status !== 200) throw new Error(`${status} ${text}`)
      node.endpoints.acknowledge()
      node.mapped.acknowledge()
    })
  }

  async rename(): Promise<boolean> {
    return await this.#with(async (node) => {
      const label = this.#fresh()
      node.label.ask(label)
      await this.#coord.admin('POST', `/device/${node.id}/name`, { name: label })
      node.label.acknowledge()
    })
  }

  async keepForever(): Promise<boolean> {
    return await this.#with(async (node) => {
      const keyExpiryDisabled = !node.keyExpiryDisabled.acknowledged
      node.keyExpiryDisabled.ask(keyExpiryDisabled)
      await this.#coord.admin('POST', `/device/${node.id}/key`, { keyExpiryDisabled })
      node.keyExpiryDisabled.acknowledge()
    })
  }

  async remove(): Promise<boolean> {
    return await this.#with(async (node) => {
      node.exists.ask(false)
      await this.#coord.admin('DELETE', `/device/${node.id}`)
      node.exists.acknowledge()
      node.client?.close()
    })
  }

  async makeKey(): Promise<boolean> {
    await this.#newKey(this.#random(2) === 0)
    return true
  }

  async revoke(): Promise<boolean> {
    const key = this.#pick(this.#book.keys.filter(({ users, revoked }) => users.length === 0 && !revoked.acknowledged))
    if (key === undefined) return false
    // Nobody joins by it from now on.
    this.#book.keys.splice(this.#book.keys.indexOf(key), 1)
    key.revoked.ask(true)
    try {
      await this.#coord.admin('DELETE', `/tailnet/-/keys/${key.id}`)
      key.revoked.acknowledge()
    } finally {
      this.#book.keys.push(key)
    }
    return true
  }

  async #newKey(reusable: boolean): Promise<BookedKey> {
    const tags = this.#random(3) === 0 ? ['tag:load'] : []
    const create = { reusable, preauthorized: true, tags }
    const made = await this.#coord.admin<{ id: string; key: string }>('POST', '/tailnet/-/keys', {
      capabilities: { devices: { create } },
    })
    const key = { id: made.id, text: made.key, reusable, tags, revoked: new Promised(false), users: [] }
    this.#book.keys.push(key)
    return key
  }

  /** One act at a time about one node, so that what was asked last is what counts. */
  async #with(act: (node: BookedNode) => Promise<void>): Promise<boolean> {
    const node = this.#pick(this.#book.free())
    if (node === undefined) return false
    node.busy = true
    await act(node)
    node.busy = false
    return true
  }
}

function newNode(hostname: string, key: BookedKey): BookedNode {
  const exists = new Promised(false)
  exists.ask(true)
  return {
    hostname,
    machineKey: generateKey(nodePrimitives.random),
    nodeKey: publicNodeKey(drawKey()),
    discoKey: discoKeyOf(nodePrimitives.random(32)),
    key,
    exists,
    label: new Promised(hostname),
    endpoints: new Promised<readonly string[]>([]),
    // Nobody logs in for a tagged node, so its key does not expire. (control.md §4.6)
    keyExpiryDisabled: new Promised(key.tags.length > 0),
    mapped: new Promised(false),
    id: '',
    addresses: [],
    client: undefined,
    busy: true,
  }
}

/** Joins, or says again that it has: a client that got no answer asks once more. Throws when it is refused. */
export async function register(coord: Coord, node: BookedNode): Promise<void> {
  const client = await connected(coord, node)
  const { nodeKey, hostname } = node
  const { status, text } = await client.register(registerBody({ nodeKey, hostname, authKey: node.key.text }))
  const { Error: refusal } = JSON.parse(text) as { Error?: string }
  if (status !== 200 || refusal) throw new Error(`${hostname} cannot join: ${status} ${text}`)
  node.exists.ask(true)
  node.exists.acknowledge()
}

/** Opens its map, which tells it who it is. */
async function openMap(node: BookedNode, book: Book): Promise<void> {
  const client = node.client as ControlClient
  const self = await new Promise<NonNullable<MapMessage['Node']>>((resolve, reject) => {
    const stream = client.map({ ...mapBody(node), Stream: true }, (bytes) => {
      const { Node: told } = decodeFrame(bytes) as MapMessage
      if (told !== undefined) resolve(told)
    })
    stream.closed.then(() => reject(new Error('the stream ended before its first map')), reject)
  })
  book.identify(node, { id: String(self.ID), addresses: self.Addresses.map((each) => each.replace(/\/\d+$/, '')) })
}

export function mapBody({ nodeKey, discoKey, hostname }: BookedNode): object {
  const Hostinfo = { OS: 'linux', Hostname: hostname }
  return { Version: CLIENT_VERSION, KeepAlive: true, Compress: 'zstd', NodeKey: nodeKey, DiscoKey: discoKey, Hostinfo }
}

/** Its connection to the server that lives now. */
export async function connected(coord: Coord, node: BookedNode): Promise<ControlClient> {
  return (node.client ??= await ControlClient.connect({ url: coord.url, machineKey: node.machineKey }))
}
