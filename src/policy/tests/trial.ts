/** The grounds of one run of tests: the policy as it is, and as it is where tests say what their source is taken to have. */

import { meetsOne } from '../postures.ts'
import type { AccessRule, AttributeValue, Policy, SshRule } from '../policy.ts'
import type { PolicyNode } from '../tailnet.ts'
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
  #real: Ground | undefined
  #unposed:
    | { readonly ground: Ground; readonly asked: ReadonlyMap<AccessRule | SshRule, readonly string[]> }
    | undefined

  constructor(policy: Policy, nodes: readonly PolicyNode[]) {
    this.#policy = policy
    this.#nodes = nodes
  }

  footing(pretended: Pretended): Footing {
    if (pretended === undefined || this.#asksNothing)
      return { ground: (this.#real ??= new Ground(this.#policy, this.#nodes)), key: '', counts: () => true }
    const { ground, asked } = (this.#unposed ??= this.#withoutPostures())
    const attributes = [...pretended].sort(([a], [b]) => (a < b ? -1 : 1))
    const answers = new Map<AccessRule | SshRule, boolean>()
    return {
      ground,
      key: JSON.stringify(attributes),
      counts: (rule) => {
        let answer = answers.get(rule)
        if (answer === undefined) answers.set(rule, (answer = meetsOne(this.#policy, asked.get(rule) ?? [], pretended)))
        return answer
      },
    }
  }

  /** Then it makes no difference what a source has. (policy.md §21, 22) */
  get #asksNothing(): boolean {
    return [...this.#policy.rules, ...this.#policy.ssh].every(({ postures }) => postures.length === 0)
  }

  /** The rules admit whoever they name; what they ask for is asked of the pretended attributes instead. */
  #withoutPostures(): { readonly ground: Ground; readonly asked: Map<AccessRule | SshRule, readonly string[]> } {
    const asked = new Map<AccessRule | SshRule, readonly string[]>()
    const free = <R extends AccessRule | SshRule>(rule: R): R => {
      const unposed = { ...rule, postures: [] }
      asked.set(unposed, rule.postures)
      return unposed
    }
    const policy = { ...this.#policy, rules: this.#policy.rules.map(free), ssh: this.#policy.ssh.map(free) }
    return { ground: new Ground(policy, this.#nodes), asked }
  }
}
