/**
 * Measures what others wait for while the server reads a policy on request: the text parsed, checked and laid out in
 * steps, with a turn of the event loop between them, in a process that has not done so before.
 */

import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setImmediate as othersTurn } from 'node:timers/promises'
import { checkParsedInSteps, parsePolicyInSteps } from '../../src/policy/document/index.ts'
import { formatInSteps } from '../../src/policy/hujson/index.ts'
import type { Steps } from '../../src/policy/steps.ts'
import { MAX_POLICY_BYTES } from '../../src/wire/api/routes/policy.ts'
import { makeWorld, NAMES } from './world.ts'

/** A text of one mebibyte is the largest that the server takes. */
export const TEXTS = ['1,000 rules', '1 MiB'] as const
export type Text = (typeof TEXTS)[number]

export interface Reading {
  readonly text: Text
  readonly bytes: number
  readonly steps: number
  /** From first to last step, turns of the event loop included. */
  readonly totalMs: number
  /** The longest that a timer had to wait. */
  readonly longestMs: number
}

/** How often the event loop is asked whether it is free; what it was late by includes this. */
const RESOLUTION_MS = 1
const NODES = 10_000
const RULES = 1000

export async function measureReading(what: Text): Promise<Reading> {
  const text = what === '1 MiB' ? largestText() : textOf(RULES)
  let steps = 0
  const take = async <T>(work: Steps<T>): Promise<T> => {
    for (let step = work.next(); ; step = work.next()) {
      steps++
      if (step.done === true) return step.value
      await othersTurn()
    }
  }
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delay.enable()
  // The first delays are those of whatever was before.
  await new Promise((resolve) => setTimeout(resolve, 20 * RESOLUTION_MS))
  delay.reset()
  const began = performance.now()
  const parsed = await take(parsePolicyInSteps(text))
  await take(checkParsedInSteps(parsed, NAMES))
  await take(formatInSteps(parsed.tree))
  const totalMs = performance.now() - began
  await new Promise((resolve) => setTimeout(resolve, 2 * RESOLUTION_MS))
  delay.disable()
  return { text: what, bytes: text.length, steps, totalMs, longestMs: delay.max / 1e6 }
}

/** As many rules as fit; all of it is ASCII. */
function largestText(): string {
  let rules = RULES
  for (let more = 8192; more >= 1; more /= 2) if (textOf(rules + more).length <= MAX_POLICY_BYTES) rules += more
  return textOf(rules)
}

function textOf(rules: number): string {
  return makeWorld(NODES, rules).policyText
}
