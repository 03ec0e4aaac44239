/**
 * Services: names with addresses of their own. They share the tailnet's names and addresses with its devices, so that
 * neither is ever given twice. (policy.md §15.10)
 */

import type { Wall } from '../../base/clock.ts'
import { isFree, releaseAddress, takeAddress } from './addressing.ts'
import type { TailnetState } from './model.ts'
import type { Write } from './records.ts'

/** Record id: the name. Lists are as they were sent, in that order. */
export interface ServiceRecord {
  /** `svc:LABEL`. */
  readonly name: string
  readonly ipv4: string
  readonly ipv6: string
  readonly comment: string
  readonly annotations?: Readonly<Record<string, string>>
  readonly ports: readonly string[]
  readonly tags: readonly string[]
  readonly displayName?: string
  readonly created: Wall
  /** What was decided by hand about hosts, by stable id of the device. */
  readonly approvals: Readonly<Record<string, boolean>>
}

/** Who holds the name or address of a Service, where nodes have their number. */
export const SERVICE_HOLDER = -1

export function labelOf(name: string): string {
  return name.slice('svc:'.length)
}

export function serviceWrite(state: TailnetState, name: string, value: ServiceRecord | null): Write {
  return { kind: 'service', id: name, expect: state.version('service', name), value }
}

/** Is this address free for a Service of this name? It is if a Service of the name was the last to have it. */
export function isFreeFor(state: TailnetState, ip: string, name: string, now: Wall): boolean {
  if (isFree(state, ip, now)) return true
  const last = state.address(ip)?.holds.at(-1)
  return last?.until !== undefined && last.node === SERVICE_HOLDER && last.name === name
}

/** The writes by which a Service takes its addresses, or gives them up. */
export function addressWrites(
  state: TailnetState,
  service: ServiceRecord,
  now: Wall,
  act: 'take' | 'release',
): Write[] {
  const { name, ipv4, ipv6 } = service
  const holder = { id: SERVICE_HOLDER, stableId: name, name }
  const write = act === 'take' ? takeAddress : releaseAddress
  return [ipv4, ipv6].map((ip) => write(state, ip, holder, now))
}

/** The write by which a label becomes a Service's, or nobody's. */
export function labelWrite(state: TailnetState, name: string, taken: boolean): Write {
  const id = labelOf(name)
  return { kind: 'name', id, expect: state.version('name', id), value: taken ? { node: SERVICE_HOLDER } : null }
}
