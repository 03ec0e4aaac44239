/**
 * Work that takes long, such as on a large policy: in steps between which others are served, and for one caller of a
 * tailnet at a time. What has been looked at before a step may have changed behind it, so whatever is saved in the end
 * is checked again as it is committed.
 */

import type { Steps } from '../../policy/steps.ts'
import type { TailnetNum } from '../model/records.ts'
import type { Call, Tools } from './call.ts'

/** Takes all the steps, and lets others have their turn in between. */
export async function takeSteps<T>({ pause }: Pick<Tools, 'pause'>, steps: Steps<T>): Promise<T> {
  let step = steps.next()
  while (step.done !== true) {
    await pause()
    step = steps.next()
  }
  return step.value
}

/** Whose turn it is, by tailnet. A policy in work takes up to a few hundred times its text in memory. */
export class Turns {
  /** Ends when those who came before have had their turn. */
  readonly #last = new Map<TailnetNum, Promise<void>>()

  async take<T>(tailnet: TailnetNum, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(tailnet)
    let done = (): void => undefined
    const mine = new Promise<void>((resolve) => (done = resolve))
    this.#last.set(tailnet, mine)
    try {
      await before
      return await work()
    } finally {
      if (this.#last.get(tailnet) === mine) this.#last.delete(tailnet)
      done()
    }
  }
}

/** A handler that waits until it is its tailnet's turn. */
export function inTurn<Input, Reply>(
  handle: (call: Call, input: Input) => Promise<Reply>,
): (call: Call, input: Input) => Promise<Reply> {
  return (call, input) => call.tools.turns.take(call.at.record.num, () => handle(call, input))
}
