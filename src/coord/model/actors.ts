/** Who the audit log names, made from what is known of them: people, machines, parts of the server itself. */

import type { Actor, By } from './audit.ts'
import type { Key, Node, User } from './records.ts'

/** An account of the machine that the server runs on, which may use the server's socket. */
export interface Account {
  readonly uid: number
  readonly name: string
  /** The machine. */
  readonly host: string
  /** Who logged in there, where they act as somebody else: through `sudo`, say. */
  readonly login?: { readonly uid: number; readonly name: string }
}

export function userActor({ id, loginName, displayName }: User): Actor {
  return { id: String(id), type: 'USER', loginName, displayName }
}

export function nodeActor({ stableId, name, tags }: Node): Actor {
  return { id: stableId, type: 'NODE', displayName: name, ...(tags.length === 0 ? {} : { tags }) }
}

/** An OAuth client or a federated identity, by what people call it. */
export function clientActor(client: Pick<Key, 'id' | 'type' | 'description' | 'tags'>): Actor {
  const { id, type, description, tags } = client
  const what = type === 'federated' ? 'federated identity' : 'OAuth client'
  const displayName = description === '' ? `${what} ${id}` : description
  return { id, type: 'OAUTH_CLIENT', displayName, ...(tags.length === 0 ? {} : { tags }) }
}

export function accountActor({ uid, name, host, login }: Account): Actor {
  const person = login ?? { uid, name }
  const loginName = `${person.name}@${host}`
  const as = person.uid === uid ? '' : `, as ${name}`
  return { id: `unix:${person.uid}`, type: 'USER', loginName, displayName: `${loginName} (server's socket${as})` }
}

/** Something that the server does of its own accord; `name` says which part of it. */
export function worker(name: string): By {
  return { origin: 'CONTROL', actor: { id: name, type: 'AUTOMATED_WORKER', displayName: name } }
}

/** A machine speaks for itself, from this address. */
export function byNode(node: Node, from: string, details?: string): By {
  return { origin: 'NODE', actor: nodeActor(node), from, ...(details === undefined ? {} : { details }) }
}
