/**
 * The ledger outside the server: what it has acknowledged, and what it was asked and did not live to answer. Of the
 * first nothing may be missing afterwards; the second has happened or has not, and nothing in between.
 */

import assert from 'node:assert/strict'
import type { Device } from '../../src/wire/api/objects.ts'
import type { ControlClient } from '../support/control-client.ts'
import type { DiscoKey, NodeKey, PrivateKey } from '../../src/base/keys.ts'

/** A value that was acknowledged, and others that were asked for since without an answer. */
export class Promised<T> {
  #acknowledged: T
  #asked: T[] = []

  constructor(first: T) {
    this.#acknowledged = first
  }

  get acknowledged(): T {
    return this.#acknowledged
  }

  ask(value: T): void {
    this.#asked.push(value)
  }

  /** The server said that what was asked last is done. */
  acknowledge(): void {
    this.#acknowledged = this.#asked.at(-1) as T
    this.#asked = []
  }

  /** The server lives again: what it says must be what it promised, and becomes what it has promised. */
  settle(found: T, what: string): void {
    const possible = [this.#acknowledged, ...this.#asked]
    assert.ok(
      possible.some((value) => JSON.stringify(value) === JSON.stringify(found)),
      `${what}: found ${JSON.stringify(found)}, acknowledged ${JSON.stringify(this.#acknowledged)}, asked ${JSON.stringify(this.#asked)}`,
    )
    this.#acknowledged = found
    this.#asked = []
  }
}

export interface BookedKey {
  readonly id: string
  readonly text: string
  readonly reusable: boolean
  readonly tags: readonly string[]
  /** Whether it has been revoked. */
  readonly revoked: Promised<boolean>
  /** Nodes that were to join by it. */
  readonly users: BookedNode[]
}

export interface BookedNode {
  readonly hostname: string
  readonly machineKey: PrivateKey
  readonly nodeKey: NodeKey
  readonly discoKey: DiscoKey
  readonly key: BookedKey
  readonly exists: Promised<boolean>
  /** First labels of its name; `''`: not yet told. */
  readonly label: Promised<string>
  readonly endpoints: Promised<readonly string[]>
  readonly keyExpiryDisabled: Promised<boolean>
  /** It has had a map: others see it. */
  readonly mapped: Promised<boolean>
  /** What the server said of it once, which never changes. */
  id: string
  addresses: readonly string[]
  /** Its connection to the server that lives now. */
  client: ControlClient | undefined
  /** Something is being asked about it. */
  busy: boolean
}

export class Book {
  readonly keys: BookedKey[] = []
  readonly nodes: BookedNode[] = []
  /** Every id and address that was ever seen, and whose it was. */
  readonly #ids = new Map<string, NodeKey>()
  readonly #addresses = new Map<string, NodeKey>()

  /** Nodes that were acknowledged, exist, and are not being asked about. */
  free(): BookedNode[] {
    return this.nodes.filter(({ busy, exists }) => !busy && exists.acknowledged)
  }

  /** Takes note of what a node is called for good; nobody else may have been called so. */
  identify(node: BookedNode, { id, addresses }: Pick<Device, 'id' | 'addresses'>): void {
    if (node.id !== '') assert.equal(id, node.id, `the id of ${node.hostname}`)
    if (node.addresses.length > 0) assert.deepEqual(addresses, node.addresses, `the addresses of ${node.hostname}`)
    node.id = id
    node.addresses = addresses
    assert.equal(this.#ids.get(id) ?? node.nodeKey, node.nodeKey, `id ${id} has been given out twice`)
    this.#ids.set(id, node.nodeKey)
    for (const address of addresses) {
      assert.equal(this.#addresses.get(address) ?? node.nodeKey, node.nodeKey, `${address} has been given out twice`)
      this.#addresses.set(address, node.nodeKey)
    }
  }
}
