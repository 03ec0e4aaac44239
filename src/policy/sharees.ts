/** People of other tailnets to whom nodes of this one are shared: whose device it is, and what is shared to it. (policy.md §15.11) */

import type { Family, Ip } from '../base/ip.ts'
import { listed } from '../base/listed.ts'
import type { PolicyNode, PolicySharee } from './tailnet.ts'

/** A device to which a node is shared. */
export interface SharedTo {
  readonly device: PolicyNode
  readonly login: string
  /** It may use the node as an exit node. */
  readonly exitNode: boolean
}

const NONE: readonly never[] = []

export class Sharees {
  readonly all: readonly PolicySharee[]
  readonly #bySlot = new Map<number, PolicyNode>()
  readonly #byAddress: Readonly<Record<Family, Map<bigint, PolicyNode>>> = { 4: new Map(), 6: new Map() }
  /** By the number of the shared node. */
  readonly #byNode = new Map<number, SharedTo[]>()

  constructor(all: readonly PolicySharee[] = NONE) {
    this.all = all
    for (const { login, devices, shares } of all) {
      // Several invitations to one node are one: the widest.
      const exits = new Map<number, boolean>()
      for (const { node, exitNode } of shares) exits.set(node, exitNode || exits.get(node) === true)
      for (const device of devices) {
        this.#bySlot.set(device.slot, device)
        for (const { family, value } of [device.ipv4, device.ipv6]) this.#byAddress[family].set(value, device)
        for (const [node, exitNode] of exits) listed(this.#byNode, node).push({ device, login, exitNode })
      }
    }
  }

  get devices(): Iterable<PolicyNode> {
    return this.#bySlot.values()
  }

  device(slot: number): PolicyNode | undefined {
    return this.#bySlot.get(slot)
  }

  at(ip: Ip): PolicyNode | undefined {
    return this.#byAddress[ip.family].get(ip.value)
  }

  devicesOf(login: string): readonly PolicyNode[] {
    const name = login.toLowerCase()
    return this.all.filter((sharee) => sharee.login.toLowerCase() === name).flatMap(({ devices }) => devices)
  }

  /** The devices to which the node is shared. */
  of({ id }: PolicyNode): readonly SharedTo[] {
    return this.#byNode.get(id) ?? NONE
  }

  /** Absent: the node is not shared to the device. */
  share(device: PolicyNode, node: PolicyNode): SharedTo | undefined {
    return this.of(node).find((shared) => shared.device.slot === device.slot)
  }
}
