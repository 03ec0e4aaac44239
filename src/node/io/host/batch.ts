/**
 * The commands that turn one plan's addresses, routes and rules into another's, each with what it is about, so that
 * what fails can be named, and tried again with the next plan.
 *
 * New things come before old ones go, and rules lead to a table that is full: at no time is there a way out that
 * neither plan has.
 */

import { MeshError } from '../../../base/errors.ts'
import type { Family } from '../../../base/ip.ts'
import { keyOfRoute, keyOfRule } from '../../routes/difference.ts'
import type { HostDifference } from '../../routes/difference.ts'
import { familyOf } from '../../routes/host-plan.ts'
import type { HostPlan, HostRoute } from '../../routes/host-plan.ts'
import { addressCommand, routeCommand, ruleCommand } from '../../routes/ip-commands.ts'
import type { AddVerb } from '../../routes/ip-commands.ts'
import { hasSetting } from './kernel-settings.ts'
import { ipBatch } from './run.ts'
import type { HostProblem } from './problems.ts'

interface Command {
  readonly text: string
  readonly kind: 'add' | 'remove' | 'link'
  /** Key of what is added. */
  readonly key?: string
  /** It may be there, since it is ours. */
  readonly isOurs?: boolean
}

export interface BatchOutcome {
  readonly problems: readonly HostProblem[]
  /** Keys of what is not there although it was to be added, or is there and not ours. */
  readonly missed: ReadonlySet<string>
}

const SHOWN_MOST = 8
/** As cables have it, twice what TUN devices begin with: what waits while the pump does not run, some ten milliseconds. */
const QUEUE_PACKETS = 1000
const GONE = /No such (process|file|device)|does not exist|not found|Cannot find device|Cannot assign requested/i
const NO_RIGHT = /Operation not permitted/i
const EXISTS = /File exists|already assigned/i

/**
 * Carries out a difference of two plans of one device.
 *
 * @throws MeshError `system/refused` without the right to change anything, or without `ip`
 */
export async function runBatches(before: HostPlan, change: HostDifference, plan: HostPlan): Promise<BatchOutcome> {
  const problems: HostProblem[] = []
  const missed = new Set<string>()
  // IPv4 first: it brings the device up, which routes of either family need.
  for (const family of [4, 6] as const) {
    if (family === 6 && !hasSetting('net/ipv6/conf')) continue
    const commands = commandsOf(family, before, change, plan)
    for (const { at, why } of await ipBatch(
      family,
      commands.map(({ text }) => text),
    )) {
      const command = commands[at]
      if (command === undefined || isFine(command, why)) continue
      if (NO_RIGHT.test(why))
        throw new MeshError(
          'system/refused',
          `Cannot run "ip ${command.text}": ${why}. This needs root or CAP_NET_ADMIN.`,
        )
      if (command.key !== undefined) missed.add(command.key)
      problems.push(problemOf(family, command, why))
    }
  }
  return { problems: few(problems), missed }
}

/** A thousand routes that are refused for one reason are one thing to know. */
function few(problems: readonly HostProblem[]): HostProblem[] {
  const rest = problems.length - SHOWN_MOST
  const text = `And ${rest} more of the kind.`
  return rest <= 0 ? [...problems] : [...problems.slice(0, SHOWN_MOST), { code: 'route-refused', text }]
}

/** Commands that take everything away that a plan may have left. */
export async function runRemoval(plan: HostPlan): Promise<HostProblem[]> {
  const nothing = { link: false, addAddresses: [], addRoutes: [], addRules: [], set: [], unset: [] }
  const change: HostDifference = {
    ...nothing,
    removeAddresses: plan.addresses,
    removeRoutes: plan.routes,
    removeRules: plan.rules,
  }
  return [...(await runBatches(plan, change, plan)).problems]
}

function commandsOf(family: Family, before: HostPlan, change: HostDifference, plan: HostPlan): Command[] {
  const { device } = plan
  const isOf = (prefix: string): boolean => familyOf(prefix) === family
  const commands: Command[] = []
  if (change.link && family === 4) {
    // Its own IPv6 address would be one that no peer knows; failing where there is no IPv6, it is of no matter.
    const link = `link set dev ${device}`
    commands.push({ text: `${link} addrgenmode none`, kind: 'remove' })
    commands.push({ text: `${link} txqueuelen ${QUEUE_PACKETS}`, kind: 'remove' })
    for (const what of [`mtu ${plan.mtu}`, 'up']) commands.push({ text: `${link} ${what}`, kind: 'link' })
  }
  const ours = new Set(before.addresses)
  for (const address of change.addAddresses.filter(isOf)) {
    const isOurs = ours.has(address)
    const text = addressCommand(isOurs ? 'replace' : 'add', address, device)
    commands.push({ text, kind: 'add', key: address, isOurs })
  }
  const places = new Set(before.routes.map(placeOf))
  for (const route of guardsFirst(change.addRoutes.filter(({ prefix }) => isOf(prefix)))) {
    const isOurs = places.has(placeOf(route))
    const verb: AddVerb = isOurs ? 'replace' : 'add'
    commands.push({ text: routeCommand(verb, route, device), kind: 'add', key: keyOfRoute(route), isOurs })
  }
  const rules = new Set(before.rules.map(keyOfRule))
  for (const rule of change.addRules.filter((each) => each.family === family)) {
    const key = keyOfRule(rule)
    commands.push({ text: ruleCommand('add', rule), kind: 'add', key, isOurs: rules.has(key) })
  }
  const remove = (text: string): void => void commands.push({ text, kind: 'remove' })
  for (const rule of change.removeRules) if (rule.family === family) remove(ruleCommand('del', rule))
  for (const route of change.removeRoutes) if (isOf(route.prefix)) remove(routeCommand('del', route, device))
  for (const address of change.removeAddresses) if (isOf(address)) remove(addressCommand('del', address, device))
  return commands
}

/** Routes in one place take each other's place. */
function placeOf({ prefix, to }: HostRoute): string {
  return `${to === 'unreachable'} ${prefix}`
}

/** Where nothing may leak, the way to nowhere is there before the way to the tunnel. */
function guardsFirst(routes: readonly HostRoute[]): HostRoute[] {
  return [...routes].sort((a, b) => Number(b.to === 'unreachable') - Number(a.to === 'unreachable'))
}

function isFine({ text, kind, isOurs }: Command, why: string): boolean {
  if (kind === 'remove') return GONE.test(why) || / (addrgenmode|txqueuelen) /.test(text)
  return kind === 'add' && isOurs === true && EXISTS.test(why)
}

function problemOf(family: Family, { text, kind }: Command, why: string): HostProblem {
  const command = `ip -${family} ${text}`
  if (kind === 'add' && EXISTS.test(why)) {
    const whose = 'it is there already and not ours, so it stays when we go. Is another VPN of this kind running?'
    return { code: 'route-foreign', text: `Left alone what "${command}" would add: ${whose}` }
  }
  return { code: 'route-refused', text: `The kernel refused "${command}": ${why}` }
}
