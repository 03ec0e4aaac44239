/** Pings that people have asked for and that wait for their answers, by the name that the engine knows each by. */

import type { PingAnswer } from '../engine.ts'

/** How long an answer is waited for, beyond what the path finder itself waits. */
const PING_MS = 10_000

export class WaitingPings {
  readonly #waiting = new Map<string, (answer: PingAnswer | undefined) => void>()
  #asked = 0

  /** @param send has the ping sent under this name; `undefined`: no answer came */
  ask(send: (asked: string) => void): Promise<PingAnswer | undefined> {
    const asked = String(++this.#asked)
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.answer(asked, undefined), PING_MS)
      this.#waiting.set(asked, (answer) => {
        clearTimeout(timer)
        this.#waiting.delete(asked)
        resolve(answer)
      })
      send(asked)
    })
  }

  answer(asked: string, answer: PingAnswer | undefined): void {
    this.#waiting.get(asked)?.(answer)
  }

  /** Nobody answers any more. */
  end(): void {
    for (const asked of this.#waiting.keys()) this.answer(asked, undefined)
  }
}
