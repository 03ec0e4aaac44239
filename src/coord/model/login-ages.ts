/**
 * How old somebody's last login is, as far as a policy can tell: the ages at which one of its comparisons turns, and
 * none in between. So a device is looked at again at those moments only, and where no rule asks, never.
 */

import { later, MINUTE_MS } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'
import { asksAbout, comparedWith } from '../../policy/postures.ts'
import type { AttributeValue, Policy } from '../../policy/policy.ts'
import { LOGIN_AGE, LOGIN_METHOD } from './attributes.ts'

export class LoginAges {
  /** Does a rule ask about logins at all? */
  readonly asked: boolean
  /** Minutes, rising. */
  readonly #turns: readonly number[]

  private constructor(asked: boolean, turns: Iterable<number>) {
    this.asked = asked
    this.#turns = [...new Set(turns)].sort((a, b) => a - b)
  }

  static readonly NONE = new LoginAges(false, [])

  static of(policy: Policy): LoginAges {
    const asked = asksAbout(policy, LOGIN_AGE) || asksAbout(policy, LOGIN_METHOD)
    if (!asked) return LoginAges.NONE
    // An age is a whole number. `<` and `>=` turn when it reaches the value, `>` and `<=` when it goes beyond it.
    const turns = comparedWith(policy, LOGIN_AGE).flatMap((value) => [Math.ceil(value), Math.floor(value) + 1])
    return new LoginAges(
      true,
      turns.filter((minutes) => minutes > 0),
    )
  }

  /** For the time in which both policies are at work. */
  and(other: LoginAges): LoginAges {
    if (!other.asked) return this
    return this.asked ? new LoginAges(true, [...this.#turns, ...other.#turns]) : other
  }

  /** When the next comparison turns, for a login at this time; `undefined`: none does any more. */
  next(at: Wall, now: Wall): Wall | undefined {
    for (const minutes of this.#turns) {
      const turn = later(at, minutes * MINUTE_MS)
      if (turn > now) return turn
    }
    return undefined
  }

  /** Takes out of a node's attributes what the policy does not ask about, and what of an age it can't tell apart. */
  coarsen(attributes: Map<string, AttributeValue>): void {
    const age = attributes.get(LOGIN_AGE)
    if (typeof age !== 'number') return
    if (!this.asked) {
      attributes.delete(LOGIN_AGE)
      attributes.delete(LOGIN_METHOD)
    } else attributes.set(LOGIN_AGE, this.#turns.findLast((minutes) => minutes <= age) ?? 0)
  }
}
