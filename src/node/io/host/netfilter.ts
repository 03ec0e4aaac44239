/**
 * Puts the firewall's chains into the kernel with nft, beside whatever other firewalls are there, and takes them out
 * again (node.md §4.3, §4.4).
 *
 * Everything goes in one transaction. Where that is refused, each part is tried alone, so that what can be had is had
 * and what can't is named.
 */

import type { Family } from '../../../base/ip.ts'
import type { Chain, Firewall } from '../../routes/firewall.ts'
import type { HostPlan } from '../../routes/host-plan.ts'
import {
  nftFamily,
  OWN_TABLES,
  passProgram,
  removalProgram,
  tableName,
  tableProgram,
} from '../../routes/nft-program.ts'
import type { BaseChain } from '../../routes/nft-program.ts'
import { hasSetting } from './kernel-settings.ts'
import { nftList, nftLoad } from './run.ts'
import type { HostProblem } from './problems.ts'

interface Part {
  readonly program: string
  /** What it is for, for the problem that its refusal is. */
  readonly what: string
  readonly code: 'firewall-refused' | 'firewall-locked'
  /** Less of the same, for kernels that lack something. */
  readonly instead?: string
}

/**
 * Makes the firewall what the plan says.
 *
 * @param passes there may be rules of ours in front of other firewalls' chains already
 */
export async function applyFirewall(plan: HostPlan, passes: boolean): Promise<HostProblem[]> {
  const { device, udpPort, firewall } = plan
  if (firewall.chains.length === 0) return removeFirewall(device, passes)
  const problems: HostProblem[] = []
  const parts: Part[] = []
  if (firewall.diverts || passes) {
    const there = await nftList(passes ? 'list ruleset' : 'list chains; list tables')
    if (there === undefined && firewall.diverts) problems.push({ code: 'firewall-locked', text: UNSEEN })
    const old = passesIn(there ?? [], device)
    if (old !== '') parts.push({ program: old, what: 'removing older rules', code: 'firewall-refused' })
    if (firewall.diverts) {
      const { chains, locked } = baseChainsIn(there ?? [])
      for (const table of locked) problems.push({ code: 'firewall-locked', text: lockedText(table, device) })
      for (const chain of chains) {
        const what = `letting ${device} through chain "${chain.name}" of table "${chain.family} ${chain.table}"`
        parts.push({ program: passProgram(device, udpPort, chain), what, code: 'firewall-locked' })
      }
    }
  }
  for (const family of families()) {
    const program = tableProgram(device, family, firewall)
    const instead = tableProgram(device, family, onlyFilter(firewall))
    parts.push({ program, instead, what: `filtering and masquerading IPv${family}`, code: 'firewall-refused' })
  }
  const refused = await loadParts(parts)
  // Who has no nft at all need not hear that it lists nothing.
  return refused.some(({ code }) => code === 'firewall-missing') ? refused : [...problems, ...refused]
}

/** Takes out whatever the device's firewall may have left. */
export async function removeFirewall(device: string, passes: boolean): Promise<HostProblem[]> {
  const old = passes ? passesIn((await nftList('list ruleset')) ?? [], device) : ''
  const parts: Part[] = [{ program: old, what: 'removing rules from other tables', code: 'firewall-refused' }]
  for (const family of families())
    parts.push({
      program: removalProgram(device, family),
      what: `removing IPv${family} rules`,
      code: 'firewall-refused',
    })
  const problems = await loadParts(parts)
  // Without nft there is nothing to remove.
  return problems.filter(({ code }) => code !== 'firewall-missing')
}

/** Whether one of our tables, which the plan has, is not there. Where nobody can tell, none is lost. */
export async function hasLostTables({ device, firewall }: HostPlan): Promise<boolean> {
  const wanted = families().filter((family) => firewall.chains.some((chain) => chain.family === family))
  const listed = wanted.length === 0 ? undefined : await nftList('list tables')
  if (listed === undefined) return false
  const there = (listed as readonly { table?: Record<string, unknown> }[]).map(
    ({ table }) => `${String(table?.['family'])} ${String(table?.['name'])}`,
  )
  return wanted.some((family) => !there.includes(`${nftFamily(family)} ${tableName(device)}`))
}

/** A kernel without IPv6 may have no IPv6 tables either, and has none of ours. */
function families(): readonly Family[] {
  return hasSetting('net/ipv6/conf') ? [4, 6] : [4]
}

async function loadParts(parts: readonly Part[]): Promise<HostProblem[]> {
  const whole = await nftLoad(parts.map(({ program }) => program).join(''))
  if (whole === undefined) return []
  if (whole === 'missing') return [{ code: 'firewall-missing', text: MISSING }]
  const problems: HostProblem[] = []
  for (const { program, instead, what, code } of parts) {
    const refused = program === '' ? undefined : await nftLoad(program)
    if (refused === undefined || refused === 'missing') continue
    if (instead !== undefined) await nftLoad(instead)
    problems.push({ code, text: `The firewall refused ${what}: ${refused.why}` })
  }
  return problems
}

const MISSING =
  'There is no "nft" on this machine, so no firewall rules were made: another firewall may drop traffic of the ' +
  'tailnet, sources are not checked, and subnets behind this node get no answers unless they know the way back. ' +
  'Install nftables, or set the netfilter mode to off.'

const UNSEEN =
  'The firewalls of this machine could not be listed ("nft list chains" failed). If one of them drops traffic of the ' +
  'tailnet, let the tunnel through there.'

function lockedText(table: string, device: string): string {
  const advice = table.includes('firewalld')
    ? `run: firewall-cmd --permanent --zone=trusted --add-interface=${device} && firewall-cmd --reload`
    : `let the interface ${device} and its UDP port through there`
  return `The firewall table "${table}" belongs to a program that lets nobody else change it; ${advice}.`
}

function onlyFilter({ diverts, chains }: Firewall): Firewall {
  return { diverts, chains: chains.filter(({ table }: Chain) => table === 'filter') }
}

/** Chains of other firewalls where packets to us or through us may be dropped, and tables that can't be changed. */
export function baseChainsIn(listed: readonly Record<string, unknown>[]): {
  readonly chains: BaseChain[]
  readonly locked: string[]
} {
  const owned = new Set<string>()
  for (const { table } of listed as readonly { table?: Record<string, unknown> }[])
    if (table !== undefined && JSON.stringify(table['flags'] ?? '').includes('owner'))
      owned.add(`${String(table['family'])} ${String(table['name'])}`)
  const chains: BaseChain[] = []
  const locked = new Set<string>()
  for (const { chain } of listed as readonly { chain?: Record<string, unknown> }[]) {
    if (chain === undefined || chain['type'] !== 'filter') continue
    const { family, table, name, hook } = chain as unknown as BaseChain
    if (!['ip', 'ip6', 'inet'].includes(family) || OWN_TABLES.test(table)) continue
    if (hook !== 'input' && hook !== 'forward') continue
    if (owned.has(`${family} ${table}`)) locked.add(`${family} ${table}`)
    else chains.push({ family, table, name, hook })
  }
  return { chains, locked: [...locked] }
}

/** A program that deletes our rules from other tables. */
function passesIn(listed: readonly Record<string, unknown>[], device: string): string {
  let program = ''
  for (const { rule } of listed as readonly { rule?: Record<string, unknown> }[]) {
    if (rule === undefined || rule['comment'] !== tableName(device) || OWN_TABLES.test(String(rule['table']))) continue
    program += `delete rule ${String(rule['family'])} ${String(rule['table'])} ${String(rule['chain'])} handle ${String(rule['handle'])}\n`
  }
  return program
}
