/** Runs the `sshTests` of a policy: as which accounts may who is named in `src` log in at `dst`? (policy.md §7, §8) */

import { parseIp } from '../../base/ip.ts'
import type { SshTest } from '../policy.ts'
import type { CompiledSsh } from '../ssh.ts'
import { letsIn } from '../ssh.ts'
import { gather, meeting } from './crowds.ts'
import type { Admitted, Reached, Way } from './crowds.ts'
import { remembered, traitsOf } from './ground.ts'
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
  readonly #admitted = new Map<string, readonly Admitted<CompiledSsh>[]>()
  readonly #reached = new Map<string, readonly Reached<CompiledSsh, Way<CompiledSsh>>[]>()

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
    const { ground, key, counts } = footing
    const sources = remembered(this.#admitted, JSON.stringify([from.key, account, key === '']), () =>
      admitted(ground, from, account),
    )
    const targets = remembered(this.#reached, JSON.stringify([to.key, key === '']), () => reached(ground, to))
    const by = (action: 'accept' | 'check') =>
      meeting(sources, targets, ({ part: { rule } }) => rule.action === action && counts(rule))
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

function admitted(ground: Ground, from: Usable, account: string): readonly Admitted<CompiledSsh>[] {
  const { rules } = ground.engine.ssh
  const members = ground.devices(from).map((node) => ({ node, ...traitsOf(node) }))
  for (const [at, { rule, sources }] of rules.entries()) {
    const named = sources.admitted
    for (const { node, all } of members) if (named.has(node.slot) && letsIn(rule.users, account, node)) all.push(at)
  }
  return gather(members).map(({ all, owners }) => {
    const mine = new Set(all.map((at) => rules[at] as CompiledSsh))
    return { rules: mine, own: mine, owners }
  })
}

function reached(ground: Ground, to: Usable): readonly Reached<CompiledSsh, Way<CompiledSsh>>[] {
  const { ssh } = ground.engine
  const members = ground.devices(to).map((node) => ({ node, ...traitsOf(node) }))
  for (const [at, compiled] of ssh.rules.entries())
    for (const { node, all, own } of members) {
      const leads = ssh.leads(compiled, node)
      if (leads === 'all') all.push(at)
      else if (leads === 'own') own.push(at)
    }
  return gather(members).map(({ all, own, owners }) => ({
    ways: all.map((at) => ({ part: ssh.rules[at] as CompiledSsh })),
    own: own.map((at) => ({ part: ssh.rules[at] as CompiledSsh })),
    owners,
  }))
}
