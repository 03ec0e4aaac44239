/**
 * Writes the firewall's chains as a program for nft: one table of our own for each family, named after the device, so
 * that taking it away takes away everything (node.md §4.4).
 *
 * A table of our own can drop what others let through, but not let through what others drop. So there are also rules
 * to put in front of the chains that other firewalls hang on the same hooks, known by their comment.
 */

import type { Family } from '../../base/ip.ts'
import { MARK_BYPASS, MARK_FORWARDED, MARK_MASK } from './firewall.ts'
import type { Chain, ChainName, Firewall, FirewallRule, Match } from './firewall.ts'

/** What names of our tables begin with; the device's follows. */
export const OWN_TABLES = /^sett-/

/** Our table's name, and the comment by which rules of ours in other tables are known. */
export function tableName(device: string): string {
  return `sett-${device.replace(/[^A-Za-z0-9_.-]/g, '_')}`
}

export const nftFamily = (family: Family): 'ip' | 'ip6' => (family === 4 ? 'ip' : 'ip6')

const REST = hex(~MARK_MASK >>> 0)
const MASK = hex(MARK_MASK)

/** Where each chain is hung in. */
const HOOKS: Readonly<Record<ChainName, string>> = {
  'ts-input': 'type filter hook input priority filter',
  'ts-forward': 'type filter hook forward priority filter',
  'ts-postrouting': 'type nat hook postrouting priority srcnat',
  PREROUTING: 'type filter hook prerouting priority mangle',
  OUTPUT: 'type route hook output priority mangle',
  FORWARD: 'type filter hook forward priority mangle',
}

/** Our table of one family, in the place of what it was: one transaction, and right whatever was there. */
export function tableProgram(device: string, family: Family, firewall: Firewall): string {
  const chains = firewall.chains.filter((chain) => chain.family === family)
  const gone = removalProgram(device, family)
  if (chains.length === 0) return gone
  const bodies = chains.map((chain) => chainText(chain, firewall.diverts)).join('\n')
  return `${gone}table ${nftFamily(family)} ${tableName(device)} {\n${bodies}\n}\n`
}

/** Takes our table away; fine when there is none. */
export function removalProgram(device: string, family: Family): string {
  const table = `table ${nftFamily(family)} ${tableName(device)}`
  return `add ${table}\ndelete ${table}\n`
}

/** A chain that a firewall has hung on a hook. */
export interface BaseChain {
  readonly family: 'ip' | 'ip6' | 'inet'
  readonly table: string
  readonly name: string
  readonly hook: 'input' | 'forward'
}

/** Rules for the front of another firewall's chain: what belongs to the tunnel passes. */
export function passProgram(device: string, udpPort: number | undefined, chain: BaseChain): string {
  const at = `insert rule ${chain.family} ${chain.table} ${chain.name}`
  const passes =
    chain.hook === 'forward'
      ? [`iifname ${quote(device)}`, `oifname ${quote(device)}`]
      : [`iifname ${quote(device)}`, ...(udpPort === undefined ? [] : [`udp dport ${udpPort}`])]
  // Inserted one by one at the front, so the last comes to stand first.
  return passes
    .reverse()
    .map((match) => `${at} ${match} accept comment ${quote(tableName(device))}\n`)
    .join('')
}

function chainText({ name, rules, family }: Chain, diverts: boolean): string {
  const own = name.startsWith('ts-')
  const lines = rules.flatMap((rule) => ruleText(rule, family))
  const body = lines.map((line) => `    ${line}\n`).join('')
  const hook = `    ${HOOKS[name]}; policy accept;\n`
  if (!own) return `  chain ${name} {\n${hook}${body}  }`
  const chain = `  chain ${name} {\n${body}  }`
  if (!diverts) return chain
  // What is hung in leads to it, so that the chain can be looked at, and added to, by the name that people know.
  return `${chain}\n  chain ${name.slice('ts-'.length)} {\n${hook}    jump ${name}\n  }`
}

function ruleText({ match, deed }: FirewallRule, family: Family): string[] {
  const when = matchText(match, family)
  const line = (text: string): string => [...when, text].join(' ')
  switch (deed) {
    case 'accept':
    case 'drop':
    case 'return':
    case 'masquerade':
      return [line(deed)]
    case 'mark-forwarded':
      return [line(`meta mark set meta mark & ${REST} | ${hex(MARK_FORWARDED)}`)]
    // The kernel can't join two marks bit by bit, so there is a rule for each that we use; other bits stay as they are.
    case 'save-mark':
      return [MARK_FORWARDED, MARK_BYPASS].map((mark) =>
        line(`ct state new meta mark & ${MASK} == ${hex(mark)} ct mark set ct mark & ${REST} | ${hex(mark)}`),
      )
    case 'restore-mark':
      return [MARK_FORWARDED, MARK_BYPASS].map((mark) =>
        line(
          `ct state established,related ct mark & ${MASK} == ${hex(mark)} meta mark set meta mark & ${REST} | ${hex(mark)}`,
        ),
      )
    case 'clamp-mss':
      return [line('tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu')]
  }
}

function matchText(match: Match, family: Family): string[] {
  const parts: string[] = []
  if (match.in !== undefined) parts.push(`iifname ${quote(match.in)}`)
  if (match.notIn !== undefined) parts.push(`iifname != ${quote(match.notIn)}`)
  if (match.out !== undefined) parts.push(`oifname ${quote(match.out)}`)
  if (match.source !== undefined) parts.push(`${nftFamily(family)} saddr ${match.source}`)
  if (match.forwarded === true) parts.push(`meta mark & ${MASK} == ${hex(MARK_FORWARDED)}`)
  if (match.udpPort !== undefined) parts.push(`udp dport ${match.udpPort}`)
  if (match.unknownFlow === true) parts.push('ct state & (established | related) == 0')
  return parts
}

function quote(text: string): string {
  return `"${text}"`
}

function hex(value: number): string {
  return `0x${value.toString(16)}`
}
