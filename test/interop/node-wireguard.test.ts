/**
 * wireguard-go, built from its Go module, as a live peer of our handshakes and our data path: whoever begins, with a
 * pre-shared key and without, while sessions are renewed and while it moves.
 */
import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { existsSync, rmSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { configure, wireguardGo } from '../../bench/dataplane/wireguard-go.ts'
import { tunMissing } from '../lab/available.ts'
import { Lab } from '../lab/lab.ts'
import type { Segment } from '../lab/lab.ts'
import type { Namespace } from '../lab/namespace.ts'
import type { LabProcess } from '../lab/process.ts'
import { INSIDE } from '../lab/pump-node.ts'
import { datagrams, reachable, serveDatagrams, serveEcho, transfer } from '../lab/traffic.ts'
import { NET, interopMissing } from './driver/world.ts'
import { Stream } from './driver/stream.ts'
import { until } from './driver/tsclient.ts'
import type { WireGuardNodeOptions } from './driver/wireguard-node.ts'

const skip = interopMissing() || tunMissing()
const NODE = fileURLToPath(new URL('./driver/wireguard-node.ts', import.meta.url))
/** How long connections are kept in use while sessions are renewed every two minutes. */
const REKEY_SECONDS = Number(process.env['SETT_REKEY_SECONDS'] ?? 0)
const PORT = 41_641
const MTU = 1280

function newKey(): { readonly own: string; readonly public: string } {
  const { privateKey } = generateKeyPairSync('x25519')
  const last = (der: Buffer): string => der.subarray(-32).toString('hex')
  return {
    own: last(privateKey.export({ type: 'pkcs8', format: 'der' })),
    public: last(createPublicKey(privateKey).export({ type: 'spki', format: 'der' })),
  }
}

/** All that there were. */
const devices: string[] = []

/** Ours is `a` and theirs is `b`. */
class Tunnel {
  readonly a: Namespace
  readonly b: Namespace
  readonly device: string
  readonly ours: LabProcess
  readonly #peer: readonly string[]

  private constructor(parts: Pick<Tunnel, 'a' | 'b' | 'device' | 'ours'>, peer: readonly string[]) {
    this.a = parts.a
    this.b = parts.b
    this.device = parts.device
    this.ours = parts.ours
    this.#peer = peer
  }

  static async open(lab: Lab, net: Segment, program: string, n: number, psk?: string): Promise<Tunnel> {
    const [a, b] = [await lab.namespace(`ours${n}`), await lab.namespace(`theirs${n}`)]
    const outside = { a: `${NET}.${10 + 2 * n}`, b: `${NET}.${11 + 2 * n}` }
    await lab.plug(a, net, `${outside.a}/24`)
    await lab.plug(b, net, `${outside.b}/24`)
    const keys = { a: newKey(), b: newKey() }
    // Its socket is a file of the whole machine: no other device may be called so.
    const device = `w${n}x${process.pid}`
    devices.push(device)
    const theirs = b.spawn(program, ['--foreground', device], { env: { LOG_LEVEL: 'error' } })
    await until('its socket', async () => {
      if (!theirs.alive) throw new Error(`wireguard-go has ended: ${theirs.output}`)
      return existsSync(`/var/run/wireguard/${device}.sock`)
    })
    const peer = [
      `public_key=${keys.a.public}`,
      `endpoint=${outside.a}:${PORT}`,
      ...(psk === undefined ? [] : [`preshared_key=${psk}`]),
      `allowed_ip=${INSIDE.a.four}/32`,
      `allowed_ip=${INSIDE.a.six}/128`,
    ]
    await configure(device, [`private_key=${keys.b.own}`, `listen_port=${PORT}`, ...peer])
    await b.ip('address', 'add', `${INSIDE.b.four}/10`, 'dev', device)
    await b.ip('address', 'add', `${INSIDE.b.six}/48`, 'dev', device, 'nodad')
    await b.ip('link', 'set', device, 'mtu', String(MTU), 'up')
    const options: WireGuardNodeOptions = {
      own: keys.a.own,
      peer: keys.b.public,
      ...(psk === undefined ? {} : { psk }),
      port: PORT,
      mtu: MTU,
      address: INSIDE.a,
      peerAddress: INSIDE.b,
      endpoint: `${outside.b}:${PORT}`,
    }
    const ours = a.spawn(process.execPath, [NODE, JSON.stringify(options)], { name: 'wireguard-node' })
    await ours.waitFor(/ready/)
    return new Tunnel({ a, b, device, ours }, peer)
  }

  /** Their end forgets our sessions, and begins anew with the next packet. */
  async forget(): Promise<void> {
    await configure(this.device, [this.#peer[0] as string, 'remove=true'])
    await configure(this.device, this.#peer)
  }

  /** Handshakes that our end has brought to their end, by who began them. */
  handshakes(): { readonly ours: number; readonly theirs: number } {
    const count = (pattern: RegExp): number => this.ours.output.match(pattern)?.length ?? 0
    return { ours: count(/"established","initiator":true/g), theirs: count(/"established","initiator":false/g) }
  }
}

describe('wireguard-go as a peer of ours', { skip }, () => {
  let lab: Lab
  let net: Segment
  let program: string
  let tunnels = 0

  before(async () => {
    program = (await wireguardGo()) ?? ''
    assert.notEqual(program, '', 'wireguard-go could not be built')
    lab = await Lab.open()
    net = await lab.segment()
  })
  after(async () => {
    await lab?.close()
    // One that is killed leaves its socket.
    for (const device of devices) rmSync(`/var/run/wireguard/${device}.sock`, { force: true })
  })

  for (const [name, psk] of [
    ['without a pre-shared key', undefined],
    ['with a pre-shared key', randomBytes(32).toString('hex')],
  ] as const)
    test(`both begin, and all arrives as it was sent, ${name}`, async () => {
      const tunnel = await Tunnel.open(lab, net, program, (tunnels += 1), psk)
      const { a, b } = tunnel
      await reachable(a, INSIDE.b.four)
      assert.deepEqual(tunnel.handshakes(), { ours: 1, theirs: 0 })
      await tunnel.forget()
      await reachable(b, INSIDE.a.six)
      assert.deepEqual(tunnel.handshakes(), { ours: 1, theirs: 1 })
      const ways = [
        [a, b, INSIDE.b.four],
        [b, a, INSIDE.a.six],
      ] as const
      const brought = ways.map(async ([from, at, address]) => {
        await using echo = await serveEcho(at, address)
        await using _ = await serveDatagrams(at, address)
        const back = await datagrams(from, address, 300, 1100)
        return { sum: await transfer(from, echo, 8), most: back >= 270 }
      })
      // A busy machine may lose a few.
      assert.deepEqual(
        await Promise.all(brought),
        ways.map(() => ({ sum: 'same', most: true })),
      )
      const big = ['-c', '2', '-i', '0.05', '-W', '5', '-M', 'do', '-s', String(MTU - 28)]
      assert.match(await a.exec('ping', [...big, INSIDE.b.four]), / 2 received/)
      assert.match(await b.exec('ping', [...big, INSIDE.a.four]), / 2 received/)
      assert.deepEqual(tunnel.ours.output.match(/"dropped".*/g) ?? [], [])
    })

  test('a connection goes on while their end loses its sessions and moves to another port', async (t) => {
    const tunnel = await Tunnel.open(lab, net, program, (tunnels += 1))
    const { a, b } = tunnel
    await using atB = await serveEcho(b, INSIDE.b.four)
    await using atA = await serveEcho(a, INSIDE.a.six)
    const streams = [await Stream.open(a, atB), await Stream.open(b, atA)]
    const begun = tunnel.handshakes().theirs
    for (let n = 1; n <= 3; n += 1) {
      await tunnel.forget()
      await until('a new session', async () => tunnel.handshakes().theirs === begun + n)
    }
    await configure(tunnel.device, [`listen_port=${PORT + 1}`])
    await reachable(b, INSIDE.a.four)
    await reachable(a, INSIDE.b.four)
    for (const stream of streams) {
      const { how, same, bytes, maxGapMs } = await stream.end()
      t.diagnostic(`${bytes} bytes; longest pause ${Math.round(maxGapMs)} ms`)
      assert.deepEqual({ how, same }, { how: 'ended', same: true })
    }
  })

  test(
    'connections go on while sessions are renewed',
    { skip: REKEY_SECONDS > 0 ? false : 'takes SETT_REKEY_SECONDS, 240 in `npm run proof`' },
    async (t) => {
      const tunnel = await Tunnel.open(lab, net, program, (tunnels += 1))
      const { a, b } = tunnel
      await using atB = await serveEcho(b, INSIDE.b.four)
      await using atA = await serveEcho(a, INSIDE.a.six)
      const streams = [await Stream.open(a, atB, 20_000), await Stream.open(b, atA, 20_000)]
      await new Promise((resolve) => setTimeout(resolve, REKEY_SECONDS * 1000))
      for (const stream of streams) {
        const { how, same, bytes, maxGapMs } = await stream.end()
        t.diagnostic(`${bytes} bytes; longest pause ${Math.round(maxGapMs)} ms`)
        assert.deepEqual({ how, same }, { how: 'ended', same: true })
        assert.ok(maxGapMs < 1000, `${maxGapMs} ms`)
      }
      const { ours, theirs } = tunnel.handshakes()
      t.diagnostic(`sessions begun by us: ${ours}, by wireguard-go: ${theirs}`)
      assert.ok(ours + theirs > Math.floor(REKEY_SECONDS / 121))
    },
  )
})
