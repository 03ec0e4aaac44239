/**
 * Looks where this node is seen from: asks the STUN server of each relay region over the sockets that packets use.
 * From the answers come our endpoints, and how far away each region is (disco.md §9).
 *
 * One question to a region and family, and another shortly after where no answer came; a finer plan of probes, port
 * mapping and what NATs do belong here, too.
 */

import { resolve4 } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { Bytes, Dice } from '../../base/bytes.ts'
import type { Mono } from '../../base/clock.ts'
import { parseIp } from '../../base/ip.ts'
import type { AddressPort, Ip } from '../../base/ip.ts'
import type { RelayNode, RelayRegion } from '../../wire/derp-map-reader.ts'
import { decodeResponse, encodeRequest, TRANSACTION_BYTES } from '../../wire/stun.ts'
import { endpointOf } from '../path/index.ts'
import type { Endpoint } from '../path/index.ts'

/** An answer that takes longer is no help any more. */
const WAIT_MS = 700
const AGAIN_MS = 200
const STUN_PORT = 3478

export interface StunReport {
  readonly beganAt: Mono
  /** Milliseconds, by region that answered. */
  readonly latencies: ReadonlyMap<number, number>
  /** As servers saw us, the quickest first. */
  readonly seen4: readonly Endpoint[]
  readonly seen6: readonly Endpoint[]
}

interface Asked {
  readonly region: number
  readonly at: Mono
}

export class StunLook {
  readonly #send: (to: AddressPort, bytes: Bytes) => boolean
  readonly #dice: Dice
  readonly #mono: () => Mono
  readonly #asked = new Map<string, Asked>()
  #answered: { readonly region: number; readonly ms: number; readonly seen: AddressPort }[] = []
  #enough: (() => void) | undefined

  constructor(options: {
    readonly send: (to: AddressPort, bytes: Bytes) => boolean
    readonly dice: Dice
    readonly mono: () => Mono
  }) {
    this.#send = options.send
    this.#dice = options.dice
    this.#mono = options.mono
  }

  /** Asks all regions; settles when all have answered or it has taken long enough. */
  async look(regions: ReadonlyMap<number, RelayRegion>): Promise<StunReport> {
    const beganAt = this.#mono()
    this.#answered = []
    this.#asked.clear()
    const measured = [...regions.values()].filter(({ NoMeasureNoHome }) => NoMeasureNoHome !== true)
    const enough = new Promise<void>((resolve) => (this.#enough = resolve))
    const ask = async (): Promise<void> => {
      await Promise.all(measured.map((region) => this.#askRegion(region)))
    }
    await ask()
    const again = setTimeout(() => void ask(), AGAIN_MS)
    const late = setTimeout(() => this.#enough?.(), WAIT_MS)
    const wanted = measured.filter(({ Nodes }) => Nodes.some(answersStun)).length
    this.#done = () => new Set(this.#answered.map(({ region }) => region)).size >= wanted
    if (this.#done()) this.#enough?.()
    await enough
    clearTimeout(again)
    clearTimeout(late)
    this.#enough = undefined
    return this.#report(beganAt)
  }
  #done = (): boolean => false

  /** A datagram that is a STUN message. */
  take(bytes: Bytes, now: Mono): void {
    const answer = decodeResponse(bytes)
    const asked = answer && this.#asked.get(answer.tx.toHex())
    if (answer === undefined || asked === undefined) return
    this.#asked.delete(answer.tx.toHex())
    this.#answered.push({ region: asked.region, ms: now - asked.at, seen: answer.seen })
    if (this.#done()) this.#enough?.()
  }

  async #askRegion({ RegionID, Nodes }: RelayRegion): Promise<void> {
    if (this.#answered.some(({ region }) => region === RegionID)) return
    const node = Nodes.find(answersStun)
    if (node === undefined) return
    for (const ip of await addressesOf(node)) {
      const tx = this.#dice(TRANSACTION_BYTES)
      this.#asked.set(tx.toHex(), { region: RegionID, at: this.#mono() })
      this.#send({ ip, port: node.STUNPort || STUN_PORT }, encodeRequest(tx))
    }
  }

  #report(beganAt: Mono): StunReport {
    const byTime = this.#answered.toSorted((a, b) => a.ms - b.ms)
    const latencies = new Map<number, number>()
    for (const { region, ms } of byTime) if (!latencies.has(region)) latencies.set(region, ms)
    const seen = (family: 4 | 6): Endpoint[] => [
      ...new Set(byTime.filter((a) => a.seen.ip.family === family).map((a) => endpointOf(a.seen))),
    ]
    return { beganAt, latencies, seen4: seen(4), seen6: seen(6) }
  }
}

function answersStun({ STUNPort = 0 }: RelayNode): boolean {
  return STUNPort >= 0
}

/** Addresses that the map says, else those of the name. An address that is no address switches its family off. */
async function addressesOf({ HostName, IPv4 = '', IPv6 = '' }: RelayNode): Promise<Ip[]> {
  const told = [IPv4, IPv6].flatMap((text) => parseIp(text) ?? [])
  if (told.length > 0 || IPv4 !== '' || IPv6 !== '') return told
  if (isIP(HostName) !== 0) return [parseIp(HostName)].filter((ip) => ip !== undefined)
  try {
    return (await resolve4(HostName)).flatMap((text) => parseIp(text) ?? [])
  } catch {
    return []
  }
}
