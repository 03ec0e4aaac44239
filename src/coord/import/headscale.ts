/**
 * What a Headscale server knows, as records of one new tailnet: people, nodes, keys, the policy in force.
 *
 * Pure: rows come in, records and notes go out. Nothing is judged here that another stage judges: whether the policy
 * can be read here and passes its tests is found out with the records in place.
 */

import type { Dice } from '../../base/bytes.ts'
import type { Wall } from '../../base/clock.ts'
import { createNode } from '../model/node-changes.ts'
import { userWrites } from '../model/people.ts'
import type { Sha256 } from '../model/credentials.ts'
import { CURRENT_POLICY } from '../model/policies.ts'
import { TailnetState } from '../model/model.ts'
import type { Batch, Key, Node, PolicyRecord, Presence, TailnetNum, User, Write } from '../model/records.ts'
import { drawIpv4 } from './free.ts'
import { importKeys } from './keys.ts'
import { importNodes } from './nodes.ts'
import { importPeople } from './people.ts'
import type { ImportedIdentity } from './people.ts'
import { living, textIn, timeIn } from './rows.ts'
import type { HeadscaleTables } from './rows.ts'

/** What the administrator says, and what the database does not. */
export interface Wish {
  /** MagicDNS suffix of the tailnet: Headscale's `base_domain`. */
  readonly domain: string
  /** Name or address of whoever is to be the owner; absent: somebody new. */
  readonly owner?: string
  /** Issuer of the identity provider, to the letter. */
  readonly issuer?: string
  /** The policy where it was no row: Headscale keeps it in a file if told so. */
  readonly policy?: string
  /** Newest numbers that Headscale has given, also to what has been deleted since. */
  readonly lastUser: number
  readonly lastNode: number
  readonly now: Wall
}

export interface Imported {
  /** The last one is not Headscale's where nobody was named as the owner. */
  readonly users: readonly User[]
  readonly identities: readonly ImportedIdentity[]
  readonly nodes: readonly Node[]
  readonly presences: readonly Presence[]
  readonly keys: readonly Key[]
  /** Byte for byte. Absent: there was none, and the default policy allows what Headscale does without one. */
  readonly policy?: { readonly text: string; readonly at: Wall }
  /** What was not brought over as it was, a line each. */
  readonly notes: readonly string[]
}

export function importHeadscale(tables: HeadscaleTables, wish: Wish, dice: Dice, sha256: Sha256): Imported {
  const notes: string[] = []
  const people = importPeople(tables.users, wish, notes)
  const { keys, byRow } = importKeys(tables.preAuthKeys, tables.nodes, people, { sha256, now: wish.now }, notes)
  const draw = (taken: ReadonlySet<string>) => drawIpv4(dice, taken)
  const nodes = importNodes(tables.nodes, { wish, people, keys: byRow, draw, notes })
  const policy = policyOf(tables, wish)
  if (tables.apiKeys > 0)
    notes.push(
      `API keys are not brought over (${tables.apiKeys}): they are for Headscale's own API; make tokens with "sett admin tokens create"`,
    )
  if (tables.oauthClients > 0) notes.push(`OAuth clients are not brought over (${tables.oauthClients}): make them anew`)
  return {
    users: people.users,
    identities: people.identities,
    ...nodes,
    keys,
    ...(policy === undefined ? {} : { policy }),
    notes,
  }
}

/** Each save adds a row, and the newest one counts. */
function policyOf({ policies }: HeadscaleTables, { policy, now }: Wish): Imported['policy'] {
  if (policy !== undefined) return policy.trim() === '' ? undefined : { text: policy, at: now }
  const row = living(policies).at(-1)
  const text = row === undefined ? '' : textIn(row, 'data')
  return row === undefined || text.trim() === '' ? undefined : { text, at: timeIn(row, 'created_at') ?? now }
}

/** One transaction with all but the policy, for a tailnet that has nothing yet. */
export function writesOf(imported: Imported, num: TailnetNum): Omit<Batch, 'tailnet'> {
  const state = new TailnetState(num)
  const made = imported.nodes.map((node) => createNode(state, node, node.created))
  const writes: Write[] = [
    ...imported.users.flatMap((user) => userWrites(state, user)),
    ...imported.keys.map((key) => ({ kind: 'key', id: key.id, expect: 'absent', value: key }) as const),
    ...made.flatMap((changes) => changes.writes),
    ...imported.presences.map(
      (presence) => ({ kind: 'presence', id: String(presence.node), expect: 'absent', value: presence }) as const,
    ),
  ]
  return { writes, claims: made.flatMap((changes) => changes.claims) }
}

/** The policy as the first version. @param domains mail domains with which it was found good */
export function policyWrites({ text, at }: NonNullable<Imported['policy']>, domains: readonly string[]): Write[] {
  const comment = 'brought over from Headscale'
  const record: PolicyRecord = { version: 1, text, at, by: 'Headscale', comment, domains }
  return [
    { kind: 'policy', id: CURRENT_POLICY, expect: 'absent', value: record },
    { kind: 'policy-version', id: '1', expect: 'absent', value: record },
  ]
}
