/** Runs the `sshTests` of a policy: as which accounts may who is named in `src` log in at `dst`? (policy.md §7, §8) */

import { parseIp } from '../../base/ip.ts'
import type { SshTest } from '../policy.ts'
import type { CompiledSsh } from '../ssh.ts'
import { letsIn } from '../ssh.ts'
import type { PolicyNode } from '../tailnet.ts'
import { gatherReceivers, gatherSenders, meeting, remembered } from './crowds.ts'
import type { Admitted, Reached, Receivers, Senders } from './crowds.ts'
import { ownerOf } from './ground.ts'
import type { Ground, Usable } from './ground.ts'
import type { Subjects } from './subjects.ts'
import type { Footing, Trial } from './trial.ts'

type Verdict = 'Accept' | 'Check' | 'Drop'

/** A test whose names have been looked up. */
export interface ReadySshTest {
  readonly test: SshTest
  readonly from?: Usable
  readonly to: readonly { readonly text: string; readonly to: Usable }[]
  /** What is wrong with the test itself. */
  readonly faults: readonly string[]
}

export function prepareSsh(test: SshTest, subjects: Subjects): ReadySshTest {
  const faults: string[] = []
  const from = subjects.named(test.src)
  if (from.kind === 'unusable') faults.push(`src ${JSON.stringify(test.src)}: ${from.why}`)
  const to: { text: string; to: Usable }[] = []
  for (const { text } of test.dst) {
    const subject = subjects.named(text)
    const why =
      subject.kind === 'unusable'
        ? subject.why
        : parseIp(text.trim())?.family === 6
          ? 'an SSH test takes IPv4 addresses and hosts only'
          : undefined
    if (why !== undefined) faults.push(`dst ${JSON.stringify(text)}: ${why}`)
    else if (subject.kind !== 'unusable') to.push({ text, to: subject })
  }
  if (test.dst.length === 0) faults.push('dst: nothing is named')
  const accounts = [...test.accept, ...test.check, ...test.deny]
  if (accounts.length === 0) faults.push('the test neither accepts, checks nor denies anything')
  if (accounts.some((account) => account.trim() === '')) faults.push('user "" is not valid')
  return { test, to, faults, ...(from.kind === 'unusable' ? {} : { from }) }
}

export class SshTests {
  readonly #trial: Trial
  readonly #sides = new Map<Ground, SshSides>()

  constructor(trial: Trial) {
    this.#trial = trial
  }

  /** What does not hold; empty: the test passes. */
  errors({ test, from, to, faults }: ReadySshTest): string[] {
    const errors = [...faults]
    if (from === undefined || errors.length > 0) return errors
    const footing = this.#trial.footing(test.attributes)
    const wanted: readonly (readonly [Verdict, readonly string[]])[] = [
      ['Accept', test.accept],
      ['Check', test.check],
      ['Drop', test.deny],
    ]
    for (const { text, to: at } of to)
      for (const [want, accounts] of wanted)
        for (const account of accounts) {
          const got = this.#verdict(footing, from, at, account.trim(), want)
          if (got !== want)
            errors.push(`address ${JSON.stringify(text)}, user ${JSON.stringify(account)}: want: ${want}, got: ${got}`)
        }
    return errors
  }

  /** `want` where every pair of devices has it; else what some other pair has. */
  #verdict(footing: Footing, from: Usable, to: Usable, account: string, want: Verdict): Verdict {
    const { ground, counts } = footing
    const sides = remembered(this.#sides, ground, () => new SshSides(ground))
    const [sources, targets] = [sides.admitted(from, account), sides.reached(to)]
    const by = (action: 'accept' | 'check') =>
      meeting(
        sources,
        targets,
        ({ rule }) => rule.action === action && counts(rule),
        (compiled) => compiled,
      )
    // Rules that check come before those that accept, so where both match it is a check. (policy.md §15.9)
    const [checks, accepts] = [by('check'), by('accept')]
    if (checks.every) return 'Check'
    if (!checks.some && accepts.every) return 'Accept'
    if (!checks.some && !accepts.some) return 'Drop'
    // Some pairs have one, some another: what was wanted is not what all of them have.
    if (want === 'Drop') return checks.some ? 'Check' : 'Accept'
    if (want === 'Accept') return checks.some ? 'Check' : 'Drop'
    return accepts.some ? 'Accept' : 'Drop'
  }
}

/** Who logs in and where, on one ground; what is found out about a node is kept. */
class SshSides {
  readonly #ground: Ground
  readonly #rules: readonly CompiledSsh[]
  readonly #named = new Map<number, readonly CompiledSsh[]>()
  readonly #leading = new Map<number, Reached<CompiledSsh>>()
  readonly #alike = new Map<string, Reached<CompiledSsh>>()
  readonly #admitted = new Map<string, Senders<CompiledSsh>>()
  readonly #reached = new Map<string, Receivers<CompiledSsh>>()

  constructor(ground: Ground) {
    this.#ground = ground
    this.#rules = ground.engine.ssh.rules
  }

  /** Those who log in, by the rules that give them the account. */
  admitted(from: Usable, account: string): Senders<CompiledSsh> {
    return remembered(this.#admitted, JSON.stringify([from.key, account]), () => {
      const alike = new Map<string, Admitted<CompiledSsh>>()
      const members = this.#ground.devices(from).map((node) => {
        const open = this.#namedBy(node).filter(({ rule }) => letsIn(rule.users, account, node))
        const admitted = remembered(alike, open.map(({ rule }) => rule.index).join(), () => {
          const rules = new Set(open)
          return { rules, own: rules }
        })
        return { alike: admitted, owner: ownerOf(node) }
      })
      return gatherSenders(members)
    })
  }

  /** Those who are logged in to, by the rules that lead to them. */
  reached(to: Usable): Receivers<CompiledSsh> {
    return remembered(this.#reached, to.key, () =>
      gatherReceivers(this.#ground.devices(to).map((node) => ({ alike: this.#leadingTo(node), owner: ownerOf(node) }))),
    )
  }

  #namedBy(node: PolicyNode): readonly CompiledSsh[] {
    return remembered(this.#named, node.slot, () =>
      this.#rules.filter(({ sources }) => sources.admitted.has(node.slot)),
    )
  }

  #leadingTo(node: PolicyNode): Reached<CompiledSsh> {
    return remembered(this.#leading, node.slot, () => {
      const leads = this.#rules.map((compiled) => this.#ground.engine.ssh.leads(compiled, node))
      const those = (how: 'all' | 'own'): CompiledSsh[] => this.#rules.filter((_, at) => leads[at] === how)
      return remembered(this.#alike, leads.join(), () => ({ ways: those('all'), own: those('own') }))
    })
  }
}
