/**
 * Binds the capabilities that rules name as sources to the addresses of the peers that have them (node.md §2.4). Apart
 * from compiling, since peers come and go while rules stay.
 */

import { TableBuilder, wordsOf } from '../../base/address-table.ts'
import type { Ip } from '../../base/ip.ts'
import { Chains } from './chains.ts'
import type { FilterProgram } from './program.ts'

/** A peer as somebody who may have capabilities. */
export interface Holder {
  readonly addresses: readonly Ip[]
  /** Names of its node capabilities. */
  readonly capabilities: Iterable<string>
}

/** The program with its sources by capability bound to these peers, and to no others; the same if it names none. */
export function bindCapabilities(program: FilterProgram, peers: Iterable<Holder>): FilterProgram {
  if (program.capabilities.length === 0) return program
  // The empty name is no node's, whatever a map says.
  const named = new Map(
    program.capabilities.map((source, i) => [source.name, i] as const).filter(([name]) => name !== ''),
  )
  const chains = new Chains()
  const entries: number[] = [0, 0]
  const known = new Map<string, number>()
  const held: { ip: Ip; entry: number }[] = []
  for (const { addresses, capabilities } of peers) {
    const sources: number[] = []
    for (const name of capabilities) {
      const source = named.get(name)
      if (source !== undefined) sources.push(source)
    }
    if (sources.length === 0) continue
    sources.sort((a, b) => a - b)
    const key = sources.join()
    let entry = known.get(key)
    if (entry === undefined) {
      let [chain, families] = [0, 0]
      for (const source of sources.map((i) => program.capabilities[i] as (typeof program.capabilities)[number])) {
        families |= source.families
        for (const target of source.targets) chain = chains.add(target, chain)
      }
      entry = entries.length / 2
      entries.push(chain, families)
      known.set(key, entry)
    }
    for (const ip of addresses) held.push({ ip, entry })
  }
  const count4 = held.filter(({ ip }) => ip.family === 4).length
  const builder = new TableBuilder(count4, held.length - count4)
  for (const { ip, entry } of held)
    if (ip.family === 4) builder.addSingle4(Number(BigInt.asIntN(32, ip.value)), () => entry)
    else builder.addSingle6(...wordsOf(ip.value), () => entry)
  return {
    ...program,
    holderTable: builder.build(),
    holders: Int32Array.from(entries),
    holderClasses: chains.write(),
  }
}
