/** The grounds of one run of tests: the policy as it is, and as it is where tests say what their source is taken to have. */

import { meetsOne } from '../postures.ts'
import type { AccessRule, AttributeValue, Policy, SshRule } from '../policy.ts'
import type { Steps } from '../steps.ts'
import type { Beyond, PolicyNode } from '../tailnet.ts'
import { remembered, rememberedInSteps } from './crowds.ts'
import { Ground } from './ground.ts'

export type Pretended = ReadonlyMap<string, AttributeValue> | undefined

/** A ground, and which of its rules count. */
export interface Footing {
  readonly ground: Ground
  /** Tells footings apart. */
  readonly key: string
  /** Where attributes are pretended: does who has them meet what the rule asks? */
  readonly counts: (rule: AccessRule | SshRule) => boolean
}

export class Trial {
  readonly #policy: Policy
  readonly #nodes: readonly PolicyNode[]
  readonly #beyond: Beyond
  /** Else it makes no difference what a source has. (policy.md §21, 22) */
  readonly #asks: boolean
  readonly #footings = new Map<Pretended, Footing>()
  #unposed:
    | { readonly ground: Ground; readonly asked: ReadonlyMap<AccessRule | SshRule, readonly string[]> }
    | undefined

  constructor(policy: Policy, nodes: readonly PolicyNode[], beyond: Beyond = {}) {
    this.#policy = policy
    this.#beyond = beyond
    this.#nodes = nodes
    this.#asks = [...policy.rules, ...policy.ssh].some(({ postures }) => postures.length > 0)
  }

  *footing(pretended: Pretended): Steps<Footing> {
    const asked = this.#asks ? pretended : undefined
    return yield* rememberedInSteps(this.#footings, asked, () =>
      asked === undefined ? this.#real() : this.#posed(asked),
    )
  }

  *#real(): Steps<Footing> {
    return { ground: yield* Ground.building(this.#policy, this.#nodes, this.#beyond), key: '', counts: () => true }
  }

  *#posed(attributes: Exclude<Pretended, undefined>): Steps<Footing> {
    const { ground, asked } = (this.#unposed ??= yield* this.#withoutPostures())
    const answers = new Map<AccessRule | SshRule, boolean>()
    const meets = (rule: AccessRule | SshRule): boolean => meetsOne(this.#policy, asked.get(rule) ?? [], attributes)
    return {
      ground,
      key: JSON.stringify([...attributes].sort(([a], [b]) => (a < b ? -1 : 1))),
      counts: (rule) => remembered(answers, rule, () => meets(rule)),
    }
  }

  /** The rules admit whoever they name; what they ask for is asked of the pretended attributes instead. */
  *#withoutPostures(): Steps<{ ground: Ground; asked: Map<AccessRule | SshRule, readonly string[]> }> {
    const asked = new Map<AccessRule | SshRule, readonly string[]>()
    const free = <R extends AccessRule | SshRule>(rule: R): R => {
      const unposed = { ...rule, postures: [] }
      asked.set(unposed, rule.postures)
      return unposed
    }
    const policy = { ...this.#policy, rules: this.#policy.rules.map(free), ssh: this.#policy.ssh.map(free) }
    return { ground: yield* Ground.building(policy, this.#nodes, this.#beyond), asked }
  }
}
