/** Runs the `sshTests` of a policy: as which accounts may who is named in `src` log in at `dst`? (policy.md §7, §8) */

import { parseIp } from '../../base/ip.ts'
import type { SshTest } from '../policy.ts'
import type { CompiledSsh } from '../ssh.ts'
import { letsIn } from '../ssh.ts'
import type { Pace, Steps } from '../steps.ts'
import type { PolicyNode } from '../tailnet.ts'
import { gatherReceivers, gatherSenders, meeting, remembered, rememberedInSteps } from './crowds.ts'
import type { Admitted, Reached, Receivers, Senders } from './crowds.ts'
import { ownerOf } from './ground.ts'
import type { Ground, Usable } from './ground.ts'
import type { Subjects } from './subjects.ts'
import type { Footing, Trial } from './trial.ts'

/** What an account costs besides the looks that it takes. */
const LOOKS_PER_ACCOUNT = 100

type Verdict = 'Accept' | 'Check' | 'Drop'

/** A test whose names have been looked up. */
export interface ReadySshTest {
  readonly test: SshTest
  readonly from?: Usable
  readonly to: readonly { readonly text: string; readonly to: Usable }[]
  /** What is wrong with the test itself. */
  readonly faults: readonly string[]
}

export function* prepareSsh(test: SshTest, subjects: Subjects, pace: Pace): Steps<ReadySshTest> {
  if (pace.spent()) yield
  const faults: string[] = []
  const from = subjects.named(test.src)
  if (from.kind === 'unusable') faults.push(`src ${JSON.stringify(test.src)}: ${from.why}`)
  const to: { text: string; to: Usable }[] = []
  for (const { text } of test.dst) {
    if (pace.spent()) yield
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
  *errors({ test, from, to, faults }: ReadySshTest): Steps<string[]> {
    const errors = [...faults]
    if (from === undefined || errors.length > 0) return errors
    const footing = yield* this.#trial.footing(test.attributes)
    const wanted: readonly (readonly [Verdict, readonly string[]])[] = [
      ['Accept', test.accept],
      ['Check', test.check],
      ['Drop', test.deny],
    ]
    for (const { text, to: at } of to)
      for (const [want, accounts] of wanted)
        for (const account of accounts) {
          const got = yield* this.#verdict(footing, from, at, account.trim(), want)
          if (got !== want)
            errors.push(`address ${JSON.stringify(text)}, user ${JSON.stringify(account)}: want: ${want}, got: ${got}`)
        }
    return errors
  }

  /** `want` where every pair of devices has it; else what some other pair has. */
  *#verdict(footing: Footing, from: Usable, to: Usable, account: string, want: Verdict): Steps<Verdict> {
    const { ground, counts } = footing
    const sides = remembered(this.#sides, ground, () => new SshSides(ground))
    if (ground.pace.spent(LOOKS_PER_ACCOUNT)) yield
    const sources = yield* sides.admitted(from, account)
    const targets = yield* sides.reached(to)
    const by = (action: 'accept' | 'check') =>
      meeting(
        sources,
        targets,
        ({ rule }) => rule.action === action && counts(rule),
        (compiled) => compiled,
        ground.pace,
      )
    // Rules that check come before those that accept, so where both match it is a check. (policy.md §15.9)
    const [checks, accepts] = [yield* by('check'), yield* by('accept')]
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
  admitted(from: Usable, account: string): Steps<Senders<CompiledSsh>> {
    const key = JSON.stringify([from.key, account])
    return rememberedInSteps(this.#admitted, key, () => this.#gatherAdmitted(from, account))
  }

  *#gatherAdmitted(from: Usable, account: string): Steps<Senders<CompiledSsh>> {
    const { pace } = this.#ground
    const alike = new Map<string, Admitted<CompiledSsh>>()
    const members = []
    for (const node of this.#ground.devices(from)) {
      const open = this.#namedBy(node).filter(({ rule }) => letsIn(rule.users, account, node))
      const admitted = remembered(alike, open.map(({ rule }) => rule.index).join(), () => {
        const rules = new Set(open)
        return { rules, own: rules }
      })
      members.push({ alike: admitted, owner: ownerOf(node) })
      if (pace.spent(this.#rules.length)) yield
    }
    return yield* gatherSenders(members, pace)
  }

  /** Those who are logged in to, by the rules that lead to them. */
  reached(to: Usable): Steps<Receivers<CompiledSsh>> {
    return rememberedInSteps(this.#reached, to.key, () => this.#gatherReached(to))
  }

  *#gatherReached(to: Usable): Steps<Receivers<CompiledSsh>> {
    const { pace } = this.#ground
    const members = []
    for (const node of this.#ground.devices(to)) {
      members.push({ alike: this.#leadingTo(node), owner: ownerOf(node) })
      if (pace.spent(this.#rules.length)) yield
    }
    return yield* gatherReceivers(members, pace)
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
