/**
 * The server's knowledge in memory: every record, indexed by what it is looked up by, moved forward change by
 * change from the store's feed. Reading is free; nothing here writes to the store.
 */

import type { Wall } from '../../base/clock.ts'
import type { MachineKey, NodeKey } from '../../base/keys.ts'
import { SERVER } from './records.ts'
import type {
  AccessToken,
  AddressRecord,
  Change,
  FeedEntry,
  Key,
  KeyUse,
  Kind,
  Kinds,
  Node,
  PendingLogin,
  Presence,
  Snapshot,
  Tailnet,
  TailnetNum,
  User,
} from './records.ts'

/** A record's change as the stages behind the model see it. */
export type Changed = {
  [K in Kind]: {
    readonly tailnet: TailnetNum
    readonly kind: K
    readonly id: string
    readonly before: Kinds[K] | undefined
    readonly after: Kinds[K] | undefined
  }
}[Kind]

interface Versioned<T> {
  readonly value: T
  readonly version: number
}

/** One tailnet's records. Maps are read by everybody and written here only. */
export class TailnetState {
  readonly num: TailnetNum
  /** Number of the newest feed entry applied. */
  seq = 0
  readonly #records = new Map<Kind, Map<string, Versioned<unknown>>>()
  readonly nodesById = new Map<number, Node>()
  readonly nodesByStableId = new Map<string, Node>()
  readonly usersById = new Map<number, User>()
  readonly usersByLogin = new Map<string, User>()

  constructor(num: TailnetNum) {
    this.num = num
  }

  #kind(kind: Kind): Map<string, Versioned<unknown>> {
    let records = this.#records.get(kind)
    if (records === undefined) this.#records.set(kind, (records = new Map()))
    return records
  }

  get<K extends Kind>(kind: K, id: string): Kinds[K] | undefined {
    return this.#kind(kind).get(id)?.value as Kinds[K] | undefined
  }

  /** The version to expect when writing this record: its number, or `absent`. */
  version(kind: Kind, id: string): number | 'absent' {
    return this.#kind(kind).get(id)?.version ?? 'absent'
  }

  *all<K extends Kind>(kind: K): Generator<Kinds[K]> {
    for (const record of this.#kind(kind).values()) yield record.value as Kinds[K]
  }

  *entries<K extends Kind>(kind: K): Generator<[string, Kinds[K]]> {
    for (const [id, record] of this.#kind(kind)) yield [id, record.value as Kinds[K]]
  }

  ids(kind: Kind): string[] {
    return [...this.#kind(kind).keys()]
  }

  count(kind: Kind): number {
    return this.#kind(kind).size
  }

  node(id: number): Node | undefined {
    return this.nodesById.get(id)
  }

  presence(node: number): Presence | undefined {
    return this.get('presence', String(node))
  }

  address(ip: string): AddressRecord | undefined {
    return this.get('address', ip)
  }

  key(id: string): Key | undefined {
    return this.get('key', id)
  }

  keyUse(id: string): KeyUse | undefined {
    return this.get('key-use', id)
  }

  /** Writes one record; only the model calls this. */
  put(change: Change, version: number): Changed {
    const records = this.#kind(change.kind)
    const before = records.get(change.id)?.value
    if (change.value === null) records.delete(change.id)
    else records.set(change.id, { value: change.value, version })
    if (change.kind === 'node') {
      const old = before as Node | undefined
      if (old !== undefined && change.value === null) {
        this.nodesById.delete(old.id)
        this.nodesByStableId.delete(old.stableId)
      }
      if (change.value !== null) {
        this.nodesById.set(change.value.id, change.value)
        this.nodesByStableId.set(change.value.stableId, change.value)
      }
    } else if (change.kind === 'user') {
      const old = before as User | undefined
      if (old !== undefined) {
        this.usersById.delete(old.id)
        this.usersByLogin.delete(old.loginName)
      }
      if (change.value !== null) {
        this.usersById.set(change.value.id, change.value)
        this.usersByLogin.set(change.value.loginName, change.value)
      }
    }
    return {
      tailnet: this.num,
      kind: change.kind,
      id: change.id,
      before,
      after: change.value ?? undefined,
    } as Changed
  }
}

/** Where a node is: its tailnet and its record. */
export interface Located {
  readonly tailnet: TailnetState
  readonly node: Node
}

export class Model {
  readonly #tailnets = new Map<TailnetNum, TailnetState>()
  readonly #byNodeKey = new Map<NodeKey, { tailnet: TailnetNum; id: number }>()
  readonly #byMachine = new Map<MachineKey, Map<string, { tailnet: TailnetNum; id: number }>>()
  readonly #keyTailnet = new Map<string, TailnetNum>()
  readonly #accessTokenTailnet = new Map<string, TailnetNum>()

  constructor() {
    this.#tailnets.set(SERVER, new TailnetState(SERVER))
  }

  /** The server's own scope. */
  get server(): TailnetState {
    return this.#tailnets.get(SERVER) as TailnetState
  }

  /** One tailnet's state; made empty at first sight. */
  state(num: TailnetNum): TailnetState {
    let state = this.#tailnets.get(num)
    if (state === undefined) this.#tailnets.set(num, (state = new TailnetState(num)))
    return state
  }

  tailnet(num: TailnetNum): Tailnet | undefined {
    return this.server.get('tailnet', String(num))
  }

  tailnets(): Tailnet[] {
    return [...this.server.all('tailnet')].sort((a, b) => a.num - b.num)
  }

  /** Finds a tailnet as the API names it: by stable id or by name. */
  tailnetNamed(text: string): Tailnet | undefined {
    return this.tailnets().find((t) => t.stableId === text || t.name === text || t.domain === text)
  }

  login(code: string): PendingLogin | undefined {
    return this.server.get('login', code)
  }

  nodeByKey(key: NodeKey): Located | undefined {
    return this.#locate(this.#byNodeKey.get(key))
  }

  nodesOfMachine(key: MachineKey): Located[] {
    const all: Located[] = []
    for (const at of this.#byMachine.get(key)?.values() ?? []) {
      const found = this.#locate(at)
      if (found !== undefined) all.push(found)
    }
    return all
  }

  /** An auth key or token by its id, and whose it is. */
  keyById(id: string): { readonly tailnet: TailnetState; readonly key: Key } | undefined {
    const num = this.#keyTailnet.get(id)
    if (num === undefined) return undefined
    const tailnet = this.state(num)
    const key = tailnet.key(id)
    return key === undefined ? undefined : { tailnet, key }
  }

  /** An access token by its id, and whose it is. */
  accessTokenById(id: string): { readonly tailnet: TailnetState; readonly token: AccessToken } | undefined {
    const num = this.#accessTokenTailnet.get(id)
    if (num === undefined) return undefined
    const tailnet = this.state(num)
    const token = tailnet.get('access-token', id)
    return token === undefined ? undefined : { tailnet, token }
  }

  #locate(at: { tailnet: TailnetNum; id: number } | undefined): Located | undefined {
    if (at === undefined) return undefined
    const tailnet = this.state(at.tailnet)
    const node = tailnet.node(at.id)
    return node === undefined ? undefined : { tailnet, node }
  }

  /** Applies the next entry of a tailnet's feed. Returns what changed; nothing for an entry applied before. */
  apply(entry: FeedEntry): Changed[] {
    const state = this.state(entry.tailnet)
    if (entry.seq <= state.seq) return []
    if (entry.seq !== state.seq + 1)
      throw new RangeError(`feed of tailnet ${entry.tailnet} jumps from ${state.seq} to ${entry.seq}`)
    state.seq = entry.seq
    return entry.changes.map((change) => this.#put(state, change, entry.seq))
  }

  /** Takes over a whole tailnet at once, as of the snapshot's number; what it held before is compared away. */
  load(snapshot: Snapshot): Changed[] {
    const state = this.state(snapshot.tailnet)
    const kept = new Set(snapshot.records.map((r) => `${r.kind}/${r.id}`))
    const changed: Changed[] = []
    for (const kind of KINDS)
      for (const id of state.ids(kind))
        if (!kept.has(`${kind}/${id}`))
          changed.push(this.#put(state, { kind, id, value: null } as Change, snapshot.seq))
    for (const { version, ...change } of snapshot.records)
      if (state.version(change.kind, change.id) !== version) changed.push(this.#put(state, change as Change, version))
    state.seq = snapshot.seq
    return changed
  }

  #put(state: TailnetState, change: Change, version: number): Changed {
    const changed = state.put(change, version)
    if (changed.kind === 'node') {
      const { before, after } = changed
      if (before !== undefined && before.nodeKey !== after?.nodeKey) this.#byNodeKey.delete(before.nodeKey)
      if (before !== undefined && before.machineKey !== after?.machineKey) {
        const machine = this.#byMachine.get(before.machineKey)
        machine?.delete(`${state.num}/${before.id}`)
        if (machine?.size === 0) this.#byMachine.delete(before.machineKey)
      }
      if (after !== undefined) {
        const at = { tailnet: state.num, id: after.id }
        this.#byNodeKey.set(after.nodeKey, at)
        let machine = this.#byMachine.get(after.machineKey)
        if (machine === undefined) this.#byMachine.set(after.machineKey, (machine = new Map()))
        machine.set(`${state.num}/${after.id}`, at)
      }
    } else if (changed.kind === 'key') {
      if (changed.after === undefined) this.#keyTailnet.delete(changed.id)
      else this.#keyTailnet.set(changed.id, state.num)
    } else if (changed.kind === 'access-token') {
      if (changed.after === undefined) this.#accessTokenTailnet.delete(changed.id)
      else this.#accessTokenTailnet.set(changed.id, state.num)
    }
    return changed
  }
}

const KINDS: readonly Kind[] = [
  'tailnet',
  'login',
  'user',
  'node',
  'presence',
  'route-order',
  'address',
  'name',
  'key',
  'key-use',
  'access-token',
  'expiries',
  'attributes',
  'dns',
  'policy',
  'policy-version',
  'policy-proposal',
  'holder',
  'provider',
  'identity',
  'directory-user',
  'directory-group',
  'session',
  'sign-in',
  'ticket',
  'passkey',
  'ssh-check',
  'webhook',
  'logstream',
  'delivery',
  'lease',
  'contacts',
  'posture-integration',
  'service',
]

/** Has this node's key run out? */
export function isExpired(node: Node, now: Wall): boolean {
  return !node.keyExpiryDisabled && node.keyExpiry !== undefined && node.keyExpiry <= now
}
