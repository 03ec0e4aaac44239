/**
 * The machine, as far as a node changes it: carries out plans, and leaves everything as it was (node.md §3.3, §4).
 *
 * Every change is in the journal before it is made. What a process that died has left stays until the next plan says
 * what shall be instead, so that an exit node's user is blocked in between; `cleanUp` and `down` undo it.
 *
 * Where the disk takes no journal, a machine is not to fall off its network: changes that can be told without one are
 * made (remains.ts), kernel settings are not, and the journal follows once there is room.
 */

import { MeshError } from '../../../base/errors.ts'
import { formatPrefix, parseIp, prefixOf } from '../../../base/ip.ts'
import { isTailscaleAddress } from '../../../base/address-plan.ts'
import { difference, isNone, keyOfRoute, keyOfRule, union } from '../../routes/difference.ts'
import type { HostDifference } from '../../routes/difference.ts'
import { emptyPlan } from '../../routes/host-plan.ts'
import type { HostPlan } from '../../routes/host-plan.ts'
import { addressCommand } from '../../routes/ip-commands.ts'
import { runBatches, runRemoval } from './batch.ts'
import { JournalFile } from './journal.ts'
import type { Journal, LinkBefore } from './journal.ts'
import { restoreSetting, settingsToChange, writeSetting } from './kernel-settings.ts'
import { applyFirewall, hasLostTables, removeFirewall } from './netfilter.ts'
import type { HostProblem } from './problems.ts'
import { findRemains, hasOwnRules } from './remains.ts'
import { ipBatch, ipJson } from './run.ts'

export interface HostOptions {
  /** Where the journal is kept: the state folder. */
  readonly folder: string
  /** The TUN device, which is there. */
  readonly device: string
}

export class Host {
  readonly #file: JournalFile
  readonly #device: string
  #journal: Journal
  /** What was asked for last, once it was. */
  #wanted: HostPlan | undefined
  /** What was carried out last, whole. */
  #done: HostPlan | undefined
  /** Nothing is known to be there: another process did it, or somebody has interfered. */
  #unsure = true
  #problems: readonly HostProblem[]
  /** Why the disk has no journal of what is there, since it could not be written. */
  #unkept: HostProblem | undefined
  /** What was wrong before we began, and stays so. */
  readonly #standing: readonly HostProblem[]
  /** One change at a time. */
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(file: JournalFile, device: string, journal: Journal, standing: readonly HostProblem[]) {
    this.#standing = standing
    this.#problems = standing
    this.#file = file
    this.#device = device
    this.#journal = journal
  }

  /** Takes over what an earlier process has left. Changes nothing yet, unless that was about another device. */
  static async open({ folder, device }: HostOptions): Promise<Host> {
    const file = new JournalFile(folder)
    const found = readOrReport(file)
    let journal = found.journal ?? (await adopt(device))
    if (journal.plan.device !== device) journal = await leaveDevice(journal, device)
    const [[link = {}], [addresses = {}]] = await Promise.all([
      ipJson('-details', 'link', 'show', 'dev', device),
      ipJson('addr', 'show', 'dev', device),
    ])
    const standing = found.problem === undefined ? [] : [found.problem]
    const host = new Host(file, device, { ...journal, link: journal.link ?? linkOf(link) }, standing)
    const stale = staleAddresses(addresses, journal.plan)
    for (const family of [4, 6] as const) {
      const own = stale.filter((address) => address.includes(':') === (family === 6))
      await ipBatch(
        family,
        own.map((address) => addressCommand('del', address, device)),
      )
    }
    return host
  }

  /** What could not be done, as of the last change. */
  get problems(): readonly HostProblem[] {
    return this.#problems
  }

  /**
   * Makes the machine what the plan says. Plans that come while another is carried out wait; of several, the last
   * counts.
   *
   * @throws MeshError `system/refused` without the right to, or without `ip`; other failures are problems
   */
  apply(plan: HostPlan): Promise<readonly HostProblem[]> {
    if (plan.device !== this.#device)
      throw new MeshError('internal', `Cannot apply a plan of ${plan.device}: this host has ${this.#device}`)
    this.#wanted = plan
    return this.#inTurn(async () => {
      if (this.#wanted === plan) await this.#make(plan)
      return this.#problems
    })
  }

  /** Carries out the last plan again, whole: somebody has interfered with what it made. */
  repair(): Promise<readonly HostProblem[]> {
    return this.#inTurn(async () => {
      this.#unsure = true
      if (this.#wanted !== undefined) await this.#make(this.#wanted)
      return this.#problems
    })
  }

  /**
   * Looks whether our firewall tables are still there, and repairs if not: nobody tells who flushes them. Makes up for
   * a journal that could not be written, too, once there is room for it.
   */
  checkFirewall(): Promise<readonly HostProblem[]> {
    return this.#inTurn(async () => {
      const wanted = this.#wanted
      const isLost = wanted !== undefined && wanted === this.#done && (await hasLostTables(wanted))
      const isKeptNow = this.#unkept !== undefined && this.#keep(this.#journal)
      if (wanted !== undefined && (isLost || isKeptNow)) {
        this.#unsure = true
        await this.#make(wanted)
      }
      return this.#problems
    })
  }

  /** Leaves the machine as it was found. What can't be undone stays in the journal and is told. */
  down(): Promise<readonly HostProblem[]> {
    this.#wanted = undefined
    return this.#inTurn(async () => {
      this.#problems = await undo(this.#file, this.#journal)
      this.#unkept = undefined
      this.#unsure = true
      const link = this.#journal.link
      const nothing: Journal = { plan: emptyPlan(this.#device), settings: [], passes: false }
      this.#journal = link === undefined ? nothing : { ...nothing, link }
      return this.#problems
    })
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work)
    this.#turn = done.catch(() => {})
    return done
  }

  async #make(plan: HostPlan): Promise<void> {
    // In a large tailnet, finding that there is nothing to do takes milliseconds.
    if (!this.#unsure && plan === this.#done) return
    const { plan: before, settings: kept, passes } = this.#journal
    const change = this.#unsure ? everything(before, plan) : difference(before, plan)
    if (!this.#unsure && isNone(change)) {
      this.#done = plan
      return
    }
    const diverts = plan.firewall.diverts
    const fresh = settingsToChange(plan.settings.filter(({ path }) => !kept.some((each) => each.path === path)))
    const known: Journal = { ...this.#journal, plan: union(before, plan), passes: passes || diverts }
    const whole: Journal = { ...known, settings: [...kept, ...fresh] }
    // What a setting was is told by nothing else.
    const begun = this.#keep(whole) ? whole : known
    const { settings } = begun
    this.#journal = begun
    this.#unsure = true

    const problems: (HostProblem | undefined)[] = []
    for (const { path, value } of change.set) {
      if (settings.some((each) => each.path === path)) problems.push(writeSetting(path, value))
    }
    // The firewall waits for nobody: it names devices, which need not be there.
    const [ways, chains] = await Promise.all([
      runBatches(before, change, plan),
      change.firewall === undefined ? this.#chainProblems() : applyFirewall(plan, passes),
    ])
    const gone = settings.filter(({ path }) => change.unset.some((each) => each.path === path))
    problems.push(...ways.problems, ...chains, ...gone.map(restoreSetting))

    const remaining = settings.filter((each) => !gone.includes(each))
    this.#journal = { ...begun, plan: less(plan, ways.missed), settings: remaining, passes: diverts }
    // On a full disk the one from before the change stays, which says more.
    if (this.#unkept === undefined) this.#keep(this.#journal, true)
    this.#unsure = false
    this.#done = ways.missed.size === 0 ? plan : undefined
    this.#problems = [...this.#standing, ...[this.#unkept, ...problems].filter((problem) => problem !== undefined)]
  }

  /**
   * Puts a journal on the disk. Where that fails there is none afterwards, rather than one that says too little, unless
   * it shrinks.
   */
  #keep(journal: Journal, shrinks = false): boolean {
    try {
      this.#file.write(journal, shrinks)
    } catch {
      if (shrinks) return false
      this.#file.remove()
      return this.#keepInItsPlace(journal)
    }
    this.#unkept = undefined
    return true
  }

  /** Where the last one lay there is room again. */
  #keepInItsPlace(journal: Journal): boolean {
    try {
      this.#file.write(journal)
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      const text =
        `What Sett changes on this machine can't be written down (${code ?? message}), so kernel settings stay as they ` +
        'are. Make room in the state folder.'
      this.#unkept = { code: 'journal-unwritable', text }
      return false
    }
    this.#unkept = undefined
    return true
  }

  /** Problems of the firewall stay while it does. */
  #chainProblems(): readonly HostProblem[] {
    return this.#problems.filter(({ code }) => code.startsWith('firewall-'))
  }
}

/**
 * Undoes what a process that died has left: for `--cleanup` and the unit's stop step. Nothing to do is fine.
 *
 * @param folder where its journal is
 */
export async function cleanUp(folder: string): Promise<readonly HostProblem[]> {
  const file = new JournalFile(folder)
  const { journal, problem } = readOrReport(file)
  if (problem !== undefined) return [problem]
  if (journal !== undefined) return undo(file, journal)
  // Of another boot, if there is one: nothing of it is left but the file. Or it was lost.
  file.remove()
  const { devices, rules, routes, doubtful } = await findRemains()
  const chains = await Promise.all(devices.map((device) => removeFirewall(device, true)))
  // Neither rules nor such routes hang on a device.
  const ways = await runRemoval({ ...emptyPlan('lo'), rules, routes })
  const doubts: HostProblem[] = doubtful === undefined ? [] : [{ code: 'route-foreign', text: doubtful }]
  return [...chains.flat(), ...ways, ...doubts]
}

/** Where there is no journal: what is ours all the same, kept as it is until the first plan. */
async function adopt(device: string): Promise<Journal> {
  const nothing = { plan: emptyPlan(device), settings: [], passes: false }
  if (!(await hasOwnRules())) return nothing
  const { devices, rules, routes } = await findRemains(device)
  await Promise.all(devices.filter((each) => each !== device).map((each) => removeFirewall(each, true)))
  return { ...nothing, plan: { ...nothing.plan, rules, routes }, passes: devices.includes(device) }
}

async function undo(file: JournalFile, { plan, link, settings, passes }: Journal): Promise<HostProblem[]> {
  const [ways, chains] = await Promise.all([runRemoval(plan), removeFirewall(plan.device, passes)])
  const problems = [...ways, ...chains, ...settings.map(restoreSetting).filter((problem) => problem !== undefined)]
  if (link !== undefined) await restoreLink(plan.device, link)
  if (problems.length === 0) file.remove()
  return problems
}

/** For a device that outlives us; one that doesn't is gone, and that is fine. */
async function restoreLink(device: string, { mtu, queue, isUp, generates }: LinkBefore): Promise<void> {
  const link = `link set dev ${device}`
  const commands = [`${link} mtu ${mtu}`, ...(isUp ? [] : [`${link} down`])]
  if (queue !== undefined) commands.push(`${link} txqueuelen ${queue}`)
  if (generates !== undefined) commands.push(`${link} addrgenmode ${generates}`)
  await ipBatch(4, commands)
}

function readOrReport(file: JournalFile): { readonly journal?: Journal; readonly problem?: HostProblem } {
  try {
    const journal = file.read()
    return journal === undefined ? {} : { journal }
  } catch (error) {
    if (!(error instanceof MeshError)) throw error
    const text = `${error.message}. What an earlier run has left on this machine stays until the next boot.`
    return { problem: { code: 'journal-unreadable', text } }
  }
}

/** An earlier process had another device: what hangs on that one goes, what keeps packets from leaking stays. */
async function leaveDevice(journal: Journal, device: string): Promise<Journal> {
  const { plan, settings, passes } = journal
  const isBound = ({ to }: { readonly to: string }): boolean => to === 'device'
  const bound: HostPlan = { ...plan, rules: [], routes: plan.routes.filter(isBound) }
  await Promise.all([runRemoval(bound), removeFirewall(plan.device, passes)])
  const routes = plan.routes.filter((route) => !isBound(route))
  return { plan: { ...emptyPlan(device), routes, rules: plan.rules, settings: plan.settings }, settings, passes: false }
}

/** As if nothing were there that is wanted, while what isn't wanted may be. */
function everything(before: HostPlan, plan: HostPlan): HostDifference {
  return {
    ...difference(before, plan),
    link: true,
    addAddresses: plan.addresses,
    addRoutes: plan.routes,
    addRules: plan.rules,
    firewall: plan.firewall,
    set: plan.settings,
  }
}

/** The plan without what could not be added, so that the next one asks for it again. */
function less(plan: HostPlan, missed: ReadonlySet<string>): HostPlan {
  if (missed.size === 0) return plan
  return {
    ...plan,
    addresses: plan.addresses.filter((address) => !missed.has(address)),
    routes: plan.routes.filter((route) => !missed.has(keyOfRoute(route))),
    rules: plan.rules.filter((rule) => !missed.has(keyOfRule(rule))),
  }
}

function linkOf(link: Record<string, unknown>): LinkBefore {
  const { mtu, txqlen: queue, flags, inet6_addr_gen_mode: generates } = link
  return {
    mtu: typeof mtu === 'number' ? mtu : 1500,
    isUp: Array.isArray(flags) && flags.includes('UP'),
    ...(typeof queue === 'number' ? { queue } : {}),
    ...(typeof generates === 'string' ? { generates } : {}),
  }
}

/** Addresses of a tailnet that are on the device and not in the plan: left by a process without a journal. */
function staleAddresses({ addr_info: info }: Record<string, unknown>, plan: HostPlan): string[] {
  if (!Array.isArray(info)) return []
  return (info as readonly Record<string, unknown>[]).flatMap(({ local }) => {
    const ip = typeof local === 'string' ? parseIp(local) : undefined
    if (ip === undefined || !isTailscaleAddress(ip)) return []
    const text = formatPrefix(prefixOf(ip))
    return plan.addresses.includes(text) ? [] : [text]
  })
}
