/** Runs the `tests` of a policy: may who is named in `src` open flows to what is named in `accept` and `deny`? (policy.md §8) */

import { matchesTraffic } from '../verdict.ts'
import type { AccessTest, TestTarget } from '../policy.ts'
import { mapped } from '../steps.ts'
import type { Pace, Steps } from '../steps.ts'
import { meeting, rememberedInSteps } from './crowds.ts'
import type { Meeting } from './crowds.ts'
import { readProtocols, readTarget } from './flows.ts'
import type { Ground, Usable } from './ground.ts'
import { shareesMeeting } from './sharees.ts'
import type { Subjects } from './subjects.ts'
import type { Footing, Trial } from './trial.ts'

/** What an assertion costs besides the looks that it takes. */
const LOOKS_PER_ASSERTION = 100

/** A test whose names have been looked up; none of its devices is missing any more. */
export interface ReadyTest {
  readonly test: AccessTest
  readonly assertions: readonly Assertion[]
  /** What is wrong with the test itself. */
  readonly faults: readonly string[]
}
interface Assertion {
  readonly text: string
  readonly want: 'Accept' | 'Drop'
  /** A text: why it fails whatever is wanted. */
  readonly flow:
    | { readonly from: Usable; readonly to: Usable; readonly protocols: readonly number[]; readonly port: number }
    | string
}

export function* prepare(test: AccessTest, subjects: Subjects, pace: Pace): Steps<ReadyTest> {
  if (pace.spent()) yield
  const faults: string[] = []
  const from = subjects.named(test.src)
  if (from.kind === 'unusable') faults.push(`src ${JSON.stringify(test.src)}: ${from.why}`)
  if (from.kind === 'service') faults.push(`src ${JSON.stringify(test.src)}: a service opens no connections`)
  const protocols = readProtocols(test.proto)
  if (typeof protocols === 'string') faults.push(protocols)
  if (test.accept.length + test.deny.length === 0) faults.push('the test neither accepts nor denies anything')
  if (from.kind === 'unusable' || typeof protocols === 'string' || faults.length > 0)
    return { test, assertions: [], faults }
  const assertion = (want: Assertion['want'], { text }: TestTarget): Assertion => {
    const target = readTarget(text.trim(), protocols)
    if (typeof target === 'string') return { text, want, flow: target }
    const to = target.host.startsWith('autogroup:') ? AUTOGROUP : subjects.named(target.host)
    if (to.kind === 'unusable') return { text, want, flow: to.why }
    return { text, want, flow: { from, to, protocols, port: target.port } }
  }
  return {
    test,
    faults,
    assertions: [
      ...(yield* mapped(test.accept, pace, (target) => assertion('Accept', target))),
      ...(yield* mapped(test.deny, pace, (target) => assertion('Drop', target))),
    ],
  }
}

/** Who belongs to one is not for a destination to say: it is tested by what it is made of. */
const AUTOGROUP = { kind: 'unusable', why: 'a test takes a destination of its own, not an autogroup' } as const

export class AccessTests {
  readonly #trial: Trial
  /** Tests ask about the same flows again and again. */
  readonly #known = new Map<string, Meeting>()

  constructor(trial: Trial) {
    this.#trial = trial
  }

  /** What does not hold; empty: the test passes. */
  *errors({ test, assertions, faults }: ReadyTest): Steps<string[]> {
    const errors = [...faults]
    if (assertions.length === 0) return errors
    for (const { text, want, flow } of assertions) {
      const problem = typeof flow === 'string' ? flow : yield* this.#problem(test, flow, want)
      if (problem !== undefined) errors.push(`address ${JSON.stringify(text)}: ${problem}`)
    }
    return errors
  }

  *#footing({ attributes }: AccessTest, from: Usable): Steps<Footing> {
    const footing = yield* this.#trial.footing(attributes)
    // Postures are asked of devices of one's own tailnet. (policy.md §12)
    return footing.ground.isRouted(from) || from.kind === 'sharees' ? yield* this.#trial.footing(undefined) : footing
  }

  /** A Service sends nothing, and a host sends nothing to what it hosts itself. (policy.md §15.10) */
  #senders(ground: Ground, from: Usable, to: Usable): Usable | undefined {
    if (ground.service(from) !== undefined) return undefined
    const [service, devices] = [ground.service(to), ground.devices(from)]
    if (service === undefined) return from
    const others = devices.filter((node) => !ground.engine.services.isHost(node, service.name))
    if (others.length === devices.length) return from
    return others.length === 0
      ? undefined
      : { kind: 'devices', key: `${from.key} without ${service.name}`, nodes: others }
  }

  *#problem(
    test: AccessTest,
    flow: Exclude<Assertion['flow'], string>,
    want: Assertion['want'],
  ): Steps<string | undefined> {
    const footing = yield* this.#footing(test, flow.from)
    if (footing.ground.pace.spent(LOOKS_PER_ASSERTION)) yield
    const { some, every } = yield* this.#meeting(footing, flow)
    // To be accepted each device has to reach each; a denial is broken by one that does.
    if (want === 'Accept') return every ? undefined : 'want: Accept, got: Drop'
    return some ? 'want: Drop, got: Accept' : undefined
  }

  *#meeting(footing: Footing, flow: Exclude<Assertion['flow'], string>): Steps<Meeting> {
    const { ground } = footing
    const { from, to, protocols, port } = flow
    if (from.kind === 'sharees' || to.kind === 'sharees')
      return yield* shareesMeeting(ground, from, to, protocols, port)
    const senders = this.#senders(ground, from, to)
    if (senders === undefined) return { some: false, every: false }
    const { some, every } = yield* this.#ordinary(footing, { ...flow, from: senders })
    return { some, every: every && senders === from }
  }

  #ordinary(
    { ground, key, counts }: Footing,
    { from, to, protocols, port }: Exclude<Assertion['flow'], string>,
  ): Steps<Meeting> {
    return rememberedInSteps(this.#known, `${from.key} ${to.key} ${protocols.join()} ${port} ${key}`, function* () {
      let some = false
      const families = ground.families(from, to)
      let every = families.length > 0
      for (const family of families) {
        const met = yield* meeting(
          yield* ground.admitted(from, family),
          yield* ground.reached(to, family),
          ({ part, target }) =>
            protocols.some((protocol) => matchesTraffic(target, { protocol, port })) && counts(part.rule),
          ({ part }) => part.sources,
          ground.pace,
        )
        some ||= met.some
        every &&= met.every
      }
      return { some, every }
    })
  }
}
