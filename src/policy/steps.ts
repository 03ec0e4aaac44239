/**
 * Long work in steps, for a server that has others to serve in between: a generator that stops after so much work and
 * returns what the work comes to. Work is counted, not timed, so that the same input is cut in the same places.
 */

/** Stops between its steps; returns what all of them come to. */
export type Steps<T> = Generator<void, T>

/** All steps at once, for whoever has nothing else to do. */
export function finish<T>(steps: Steps<T>): T {
  let step = steps.next()
  while (step.done !== true) step = steps.next()
  return step.value
}

/** Counts pieces of work, and says after every so many of them that the step is long enough. */
export class Pace {
  readonly #perStep: number
  #done = 0

  constructor(perStep: number) {
    this.#perStep = perStep
  }

  /** So much has been done, where one can't stop. */
  add(work: number): void {
    this.#done += work
  }

  /** So much has been done. True: it is time for others. */
  spent(work = 1): boolean {
    this.#done += work
    if (this.#done < this.#perStep) return false
    this.#done = 0
    return true
  }
}

/** What `make` gives for each of a list; each is one piece of work. */
export function* mapped<T, U>(list: readonly T[], pace: Pace, make: (one: T, index: number) => U): Steps<U[]> {
  const made: U[] = []
  for (const [index, one] of list.entries()) {
    made.push(make(one, index))
    if (pace.spent()) yield
  }
  return made
}
