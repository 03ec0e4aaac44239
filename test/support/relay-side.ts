/**
 * The other side of a node's relay connections, without sockets and in simulated time: plays the relays and the shell,
 * well-behaved or not, and keeps what the machine asked for.
 */

import { concat, utf8 } from '../../src/base/bytes.ts'
import type { Bytes } from '../../src/base/bytes.ts'
import type { Mono } from '../../src/base/clock.ts'
import { nodeKeyOf, rawKey } from '../../src/base/keys.ts'
import type { NodeKey, PrivateKey } from '../../src/base/keys.ts'
import { openBox, sealBox } from '../../src/crypto/box.ts'
import { nodePrimitives } from '../../src/crypto/io/node-primitives.ts'
import { generateKey, nodeKeyFor } from '../../src/crypto/primitives.ts'
import type { Primitives } from '../../src/crypto/primitives.ts'
import { RelayClients } from '../../src/node/relay/index.ts'
import type { RelayAction, RelayState } from '../../src/node/relay/index.ts'
import { FRAME, FrameReader, KEY_BYTES } from '../../src/wire/derp/frame.ts'
import { decodeClientInfo, encodeServerInfo } from '../../src/wire/derp/info.ts'
import { encodeServerMessage, greetingRule, splitClientInfo } from '../../src/wire/derp/messages.ts'
import type { RelayNode, RelayRegion } from '../../src/wire/derp-map-reader.ts'

const UPGRADED = utf8('HTTP/1.1 101 Switching Protocols\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n\r\n')

/** Dice in the middle: every random pause is as long as it is on average; other bytes are never twice the same. */
function fixedDice(): Primitives {
  let count = 0
  const random = (length: number): Uint8Array<ArrayBuffer> => {
    const bytes = new Uint8Array(length)
    bytes[0] = 0x80
    if (length !== 4) new DataView(bytes.buffer).setUint32(0, ++count)
    return bytes
  }
  return { ...nodePrimitives, random }
}

/** A region of nodes with these names. */
export function regionOf(id: number, names: readonly string[], more: Partial<RelayNode> = {}): RelayRegion {
  const Nodes = names.map((Name) => ({ Name, RegionID: id, HostName: `${Name}.test`, IPv4: '192.0.2.1', ...more }))
  return { RegionID: id, RegionCode: `r${id}`, RegionName: `R${id}`, Nodes }
}

/** A frame that a node sent, by its type's name. */
export interface SentFrame {
  readonly type: keyof typeof FRAME | 'other'
  readonly body: Bytes
}

export type Dial = RelayAction & { readonly kind: 'dial' }

export class RelaySide {
  readonly primitives = fixedDice()
  readonly relayKey: PrivateKey = generateKey(nodePrimitives.random)
  /** The node's. */
  readonly key: PrivateKey = generateKey(nodePrimitives.random)
  readonly nodeKey: NodeKey = nodeKeyFor(nodePrimitives, this.key)
  readonly relays = new RelayClients({ primitives: this.primitives, key: this.key })
  readonly actions: RelayAction[] = []
  now = 1_000_000 as Mono
  readonly #relayRaw = nodePrimitives.x25519Public(this.relayKey)

  /** Gives the machine an input now. Returns what it asked for, which `actions` keeps too. */
  run(input: (relays: RelayClients, now: Mono) => readonly RelayAction[]): readonly RelayAction[] {
    const actions = input(this.relays, this.now)
    this.actions.push(...actions)
    return actions
  }

  setMap(...regions: readonly RelayRegion[]): readonly RelayAction[] {
    return this.run((relays, now) => relays.setMap(new Map(regions.map((r) => [r.RegionID, r])), now))
  }

  setHome(id: number): readonly RelayAction[] {
    return this.run((relays, now) => relays.setHome(id, now))
  }

  send(region: number, to: NodeKey, bytes: Bytes): readonly RelayAction[] {
    return this.run((relays, now) => relays.send(region, to, bytes, now))
  }

  /** Lets so much time go by, with each tick when it is due. Returns what was asked for meanwhile. */
  pass(ms: number): RelayAction[] {
    const until = (this.now + ms) as Mono
    const asked: RelayAction[] = []
    for (let ticks = 0; ; ticks++) {
      const at = this.relays.deadline()
      if (at > until) break
      if (ticks > 10_000) throw new Error('the machine wants a tick without end')
      this.now = Math.max(this.now, at) as Mono
      asked.push(...this.run((relays, now) => relays.tick(now)))
    }
    this.now = until
    return asked
  }

  /** The dial that was asked for last. */
  get dialled(): Dial {
    const dial = this.actions.findLast((action) => action.kind === 'dial')
    if (dial === undefined) throw new Error('nothing was dialled')
    return dial
  }

  get dials(): string[] {
    return this.actions.filter((action) => action.kind === 'dial').map((dial) => dial.target.node)
  }

  state(region: number): RelayState {
    const report = this.relays.reports().get(region)
    if (report === undefined) throw new Error(`no region ${region}`)
    return report.state
  }

  /** TCP and TLS stand. @param fast the certificates state the relay's key */
  secure(conn = this.dialled.conn, fast = true, local = '10.0.0.1'): readonly RelayAction[] {
    const meta = fast ? { key: this.#relayRaw, version: 2 } : undefined
    return [
      ...this.run((relays, now) => relays.opened(conn, local, now)),
      ...this.run((relays, now) => relays.secured(conn, meta, now)),
    ]
  }

  /** The relay says this. */
  say(bytes: Bytes, conn = this.dialled.conn): readonly RelayAction[] {
    return this.run((relays, now) => relays.received(conn, bytes, now))
  }

  /** The sealed greeting of a relay. */
  serverInfo(bytesPerSecond = 0, burst = 0, from: PrivateKey = this.relayKey): Uint8Array {
    const clear = encodeServerInfo({ version: 2, bytesPerSecond, burst })
    const to = nodePrimitives.x25519Public(this.key)
    const sealed = sealBox(nodePrimitives, from, to, nodePrimitives.random(24), clear)
    return encodeServerMessage({ kind: 'server-info', sealed })
  }

  serverKey(): Uint8Array {
    return encodeServerMessage({ kind: 'server-key', key: this.#relayRaw })
  }

  /** The answer of a relay that does not start fast, up to its key. */
  upgraded(): Uint8Array {
    return concat([UPGRADED, this.serverKey()])
  }

  /** All goes well with what was dialled last. */
  connect(conn = this.dialled.conn): void {
    this.secure(conn)
    this.say(this.serverInfo(), conn)
  }

  close(why = 'reset', conn = this.dialled.conn): readonly RelayAction[] {
    return this.run((relays, now) => relays.closed(conn, why, now))
  }

  /** What was sent over a connection that started fast: the request's head, the key it greets with if the relay takes that, the frames. */
  sent(conn = this.dialled.conn): { head: string; greeted: NodeKey | undefined; frames: SentFrame[] } {
    const sends = this.actions.filter((action) => action.kind === 'send').filter((send) => send.conn === conn)
    const all = concat(sends.map(({ bytes }) => bytes))
    const text = new TextDecoder('latin1').decode(all)
    const end = text.indexOf('\r\n\r\n') + 4
    const reader = new FrameReader(greetingRule)
    reader.push(all.subarray(end))
    const greeted = reader.next() === 'frame' ? this.#greetedBy(reader.body()) : undefined
    reader.rule = () => 'take'
    const frames: SentFrame[] = []
    while (reader.next() === 'frame') {
      const { type } = reader
      const name = (Object.keys(FRAME) as (keyof typeof FRAME)[]).find((each) => FRAME[each] === type)
      frames.push({ type: name ?? 'other', body: reader.body() })
    }
    return { head: text.slice(0, end), greeted, frames }
  }

  /** First bytes of the packets that were sent over a connection. */
  packetsSent(conn = this.dialled.conn): (number | undefined)[] {
    return this.sent(conn)
      .frames.filter(({ type }) => type === 'sendPacket')
      .map(({ body }) => body[KEY_BYTES])
  }

  #greetedBy(body: Bytes): NodeKey | undefined {
    const parts = splitClientInfo(body)
    const clear = parts && openBox(nodePrimitives, this.relayKey, parts.key, parts.sealed)
    const takes = clear !== undefined && decodeClientInfo(clear)?.canAckPings === true
    return parts && takes ? nodeKeyOf(parts.key) : undefined
  }
}

/** Two peers, and two regions: the first has two nodes. */
export const PEER: NodeKey = nodeKeyFor(nodePrimitives, generateKey(nodePrimitives.random))
export const OTHER: NodeKey = nodeKeyFor(nodePrimitives, generateKey(nodePrimitives.random))
export const [ONE, TWO] = [regionOf(1, ['1a', '1b']), regionOf(2, ['2a'])] as const

/** What a relay says when it brings a peer's packet. */
export function packet(from: NodeKey, ...bytes: number[]): Uint8Array {
  return encodeServerMessage({ kind: 'packet', from: rawKey(from), packet: new Uint8Array(bytes) })
}
export const KEEPALIVE: Uint8Array = encodeServerMessage({ kind: 'keep-alive' })

/** A node with both regions, connected to the first, its home. */
export function atHome(): RelaySide {
  const side = new RelaySide()
  side.setMap(ONE, TWO)
  side.setHome(1)
  side.connect()
  return side
}

export const phaseOf = (side: RelaySide, region: number): string => side.state(region).phase
