/**
 * Reads map messages for many nodes at the cost of few: what the server sends to several in the same bytes is
 * decoded once. First maps, which are large and each node's own, wait until there is time for them, since the
 * generator shares its cores with the server; what came behind them waits with them, and keeps its time.
 */

import { zstdDecompressSync } from 'node:zlib'
import type { PatchJson, PeerJson, Tailnet } from './tailnet.ts'

/** Compressed bytes that may wait to be decoded. */
const WAITING_MAX = 64 << 20
/** Decoded messages that are remembered. */
const REMEMBERED_MAX = 4096

interface MapJson {
  readonly KeepAlive?: boolean
  readonly Node?: PeerJson
  readonly DERPMap?: { readonly Regions: Readonly<Record<string, unknown>> }
  readonly Peers?: readonly PeerJson[]
  readonly PeersChanged?: readonly PeerJson[]
  readonly PeersRemoved?: readonly number[]
  readonly PeersChangedPatch?: readonly PatchJson[]
}

/** A message with its whole peers looked up. */
export interface Message {
  readonly self: PeerJson | undefined
  readonly derpRegions: readonly string[]
  /** The message replaces all peers. */
  readonly replaces: boolean
  readonly removed: readonly number[]
  readonly whole: readonly (readonly [index: number, state: number])[]
  readonly patches: readonly Patch[]
}

export class Patch {
  readonly index: number
  readonly #json: PatchJson
  #from = 0
  #to = 0

  constructor(index: number, json: PatchJson) {
    this.index = index
    this.#json = json
  }

  /** Most maps go from the same state to the same state, so the last answer is kept. */
  apply(tailnet: Tailnet, state: number): number {
    if (state !== this.#from || state === 0) {
      this.#to = tailnet.patched(this.index, state, this.#json)
      this.#from = state
    }
    return this.#to
  }
}

/** Takes messages in order, with the time at which each one had arrived. */
export interface Listener {
  take(message: Message, at: number): void
}

/** One stream's messages that wait, oldest first. */
interface Waiting {
  readonly listener: Listener
  readonly frames: { readonly bytes: Uint8Array; readonly at: number }[]
}

export class Reading {
  readonly #tailnet: Tailnet
  readonly #remembered = new Map<number, { readonly bytes: Uint8Array; readonly message: Message }[]>()
  #count = 0
  readonly #waiting = new Map<Listener, Waiting>()
  #waitingBytes = 0
  #stamps = new Uint32Array(0)
  #stamp = 0

  constructor(tailnet: Tailnet) {
    this.#tailnet = tailnet
  }

  /** Takes one message's compressed bytes, which are good only during the call. */
  push(listener: Listener, bytes: Uint8Array, at: number, first: boolean): void {
    const waiting = this.#waiting.get(listener)
    if (first || waiting !== undefined) {
      const frame = { bytes: bytes.slice(), at }
      if (waiting === undefined) this.#waiting.set(listener, { listener, frames: [frame] })
      else waiting.frames.push(frame)
      this.#waitingBytes += bytes.length
      while (this.#waitingBytes > WAITING_MAX) this.#readOldest()
      return
    }
    listener.take(this.#shared(bytes), at)
  }

  /** Reads all that waits. */
  drain(): void {
    while (this.#waiting.size > 0) this.#readOldest()
  }

  /** Reads what waits for one listener. */
  drainOf(listener: Listener): void {
    const waiting = this.#waiting.get(listener)
    if (waiting !== undefined) this.#read(waiting)
  }

  /** The stream has ended: what it has not been read is not wanted any more. */
  forget(listener: Listener): void {
    const waiting = this.#waiting.get(listener)
    if (waiting === undefined) return
    for (const { bytes } of waiting.frames) this.#waitingBytes -= bytes.length
    this.#waiting.delete(listener)
  }

  #readOldest(): void {
    for (const waiting of this.#waiting.values()) return this.#read(waiting)
  }

  #read(waiting: Waiting): void {
    this.#waiting.delete(waiting.listener)
    for (const { bytes, at } of waiting.frames) {
      this.#waitingBytes -= bytes.length
      waiting.listener.take(bytes.length > 16_384 ? this.#decode(bytes) : this.#shared(bytes), at)
    }
  }

  #shared(bytes: Uint8Array): Message {
    const key = sample(bytes)
    const others = this.#remembered.get(key)
    const known = others?.find((other) => Buffer.compare(other.bytes, bytes) === 0)
    if (known !== undefined) return known.message
    if (++this.#count > REMEMBERED_MAX) {
      this.#remembered.clear()
      this.#count = 1
    }
    const made = { bytes: bytes.slice(), message: this.#decode(bytes) }
    const list = this.#remembered.get(key)
    if (list === undefined) this.#remembered.set(key, [made])
    else list.push(made)
    return made.message
  }

  #decode(bytes: Uint8Array): Message {
    const json = JSON.parse(zstdDecompressSync(bytes).toString('utf8')) as MapJson
    const replaces = json.Peers !== undefined && json.Peers.length > 0
    const peers = (replaces ? json.Peers : json.PeersChanged) ?? []
    const whole = peers.map((peer) => this.#tailnet.whole(peer))
    this.#checkOnce(whole)
    const patches = json.PeersChangedPatch ?? []
    return {
      self: json.Node,
      derpRegions: Object.keys(json.DERPMap?.Regions ?? {}),
      replaces,
      removed: json.PeersRemoved ?? [],
      whole,
      patches: patches.map((patch) => new Patch(this.#tailnet.indexOfId(patch.NodeID), patch)),
    }
  }

  #checkOnce(peers: readonly (readonly [number, number])[]): void {
    if (this.#stamps.length < this.#tailnet.identities.length)
      this.#stamps = new Uint32Array(this.#tailnet.identities.length * 2)
    this.#stamp++
    for (const [index] of peers) {
      if (this.#stamps[index] === this.#stamp) throw new Error(`machine ${index} is twice in one message`)
      this.#stamps[index] = this.#stamp
    }
  }
}

/** Equal bytes give equal numbers, and different ones mostly different ones. */
function sample(bytes: Uint8Array): number {
  let sum = bytes.length
  const step = Math.max(1, bytes.length >> 4)
  for (let i = bytes.length - 1; i >= 0; i -= step) sum = (Math.imul(sum, 31) + (bytes[i] as number)) | 0
  return sum
}
