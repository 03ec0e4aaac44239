/**
 * Lists of devices. Programs ask for all of them every minute, and a large tailnet has ten thousand: what is shown of one
 * is written once and kept until it is another, and writing many goes step by step, so that nobody waits for it.
 */

import type { Device } from '../../../wire/api/objects.ts'
import type { Node } from '../../model/records.ts'
import type { At } from '../call.ts'
import { aroundOf, viewDevice } from './device.ts'
import type { Around } from './device.ts'

export type Fields = 'default' | 'all'

/** Devices that are written before others have their turn: about a millisecond's worth. */
const PER_STEP = 50
/** And those of which only texts that are there are put together. */
const KEPT_PER_STEP = 2000

interface Kept {
  readonly around: Around
  readonly texts: Partial<Record<Fields, string>>
}

/** What is shown of each device, as JSON. */
export class DeviceTexts {
  readonly #kept = new WeakMap<Node, Kept>()
  /** Texts that had to be written. */
  written = 0

  textOf(at: At, node: Node, fields: Fields): string {
    const around = aroundOf(at, node)
    let kept = this.#kept.get(node)
    if (kept === undefined || !isSame(kept.around, around)) this.#kept.set(node, (kept = { around, texts: {} }))
    const known = kept.texts[fields]
    if (known !== undefined) return known
    this.written++
    return (kept.texts[fields] = JSON.stringify(viewDevice(at, node, fields, around)))
  }
}

function isSame(a: Around, b: Around): boolean {
  return a.online === b.online && a.lastSeen === b.lastSeen && a.user === b.user && a.name === b.name
}

export type Wanted = Readonly<Record<string, string | string[] | undefined>>

/**
 * The list as JSON, by id: `{"devices":[…]}`.
 *
 * @param wanted Members that a device must have (api-v2.md §4.1); empty: all devices
 * @param pause Lets others have their turn
 */
export async function listDevices(
  at: At,
  texts: DeviceTexts,
  fields: Fields,
  wanted: Wanted,
  pause: () => Promise<void>,
): Promise<string> {
  const nodes = [...at.tailnet.nodesById.values()].sort((a, b) => a.id - b.id)
  const asked = Object.entries(wanted)
  const parts: string[] = []
  let [looked, written] = [0, texts.written]
  for (const node of nodes) {
    if (asked.length === 0 || isLike(at, texts, node, asked)) parts.push(texts.textOf(at, node, fields))
    if (++looked < KEPT_PER_STEP && texts.written - written < PER_STEP) continue
    looked = 0
    written = texts.written
    await pause()
  }
  return `{"devices":[${parts.join(',')}]}`
}

/** Each member asked for must have a value that was asked for; of a list, all that were asked for must be items. */
function isLike(
  at: At,
  texts: DeviceTexts,
  node: Node,
  asked: readonly (readonly [string, Wanted[string]])[],
): boolean {
  let device: Device | undefined
  return asked.every(([member, wanted]) => {
    const quick = QUICK[member]
    const value = quick === undefined ? memberOf((device ??= read(texts, at, node)), member) : quick(at, node)
    const all = [wanted ?? []].flat()
    if (Array.isArray(value)) return all.every((text) => value.includes(text))
    return all.some((text) => (typeof value === 'boolean' ? String(value) === text : value === text))
  })
}

/** What is asked for most, without writing anything. */
const QUICK: Readonly<Record<string, (at: At, node: Node) => unknown>> = {
  name: (at, node) => aroundOf(at, node).name,
  hostname: (_, node) => node.hostinfo.Hostname ?? '',
  user: (at, node) => aroundOf(at, node).user,
  os: (_, node) => node.hostinfo.OS ?? '',
  tags: (_, node) => (node.tags.length === 0 ? undefined : node.tags),
  isEphemeral: (_, node) => node.ephemeral,
  authorized: (_, node) => node.authorized,
  id: (_, node) => String(node.id),
  nodeId: (_, node) => node.stableId,
}

function read(texts: DeviceTexts, at: At, node: Node): Device {
  return JSON.parse(texts.textOf(at, node, 'all')) as Device
}

function memberOf(device: Device, member: string): unknown {
  return Object.hasOwn(device, member) ? device[member as keyof Device] : undefined
}
