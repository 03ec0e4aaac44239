/** Asks the server for a sooner end of this node's key, once each time somebody wants it (control.md §4.3). */

import type { Wall } from '../../base/clock.ts'
import { encodeRegisterRequest, REGISTER_ANSWER_MAX } from '../../wire/control-requests.ts'
import type { RegisterBody } from '../../wire/control-requests.ts'
import type { ControlAction } from './actions.ts'
import type { ServerAddress } from './dial.ts'
import type { ControlLink, LinkAnswer } from './link.ts'
import { readOutcome } from './register.ts'

export class Expiring {
  readonly #server: ServerAddress
  readonly #emit: (action: ControlAction) => void
  #call: number | undefined

  constructor(server: ServerAddress, emit: (action: ControlAction) => void) {
    this.#server = server
    this.#emit = emit
  }

  ask(link: ControlLink, body: RegisterBody): void {
    this.#end('somebody else has asked meanwhile')
    const bytes = encodeRegisterRequest(body)
    this.#call = link.call({ method: 'POST', path: '/machine/register', body: bytes, limit: REGISTER_ANSWER_MAX })
    if (this.#call === undefined) this.refuse('the connection takes no more requests')
  }

  /** Was it our call? Then it is answered. */
  answered(call: number, answer: LinkAnswer, wall: Wall): boolean {
    if (call !== this.#call) return false
    const outcome = readOutcome(answer, this.#server, wall)
    this.#call = undefined
    if (outcome.kind === 'joined') this.#emit({ kind: 'expiry-answered' })
    else this.refuse('message' in outcome ? outcome.message : `the server asks for something else (${outcome.kind})`)
    return true
  }

  ended(call: number, why: string): boolean {
    if (call !== this.#call) return false
    this.#end(why)
    return true
  }

  /** The connection is gone. */
  cutOff(): void {
    this.#end('the connection with the server is gone')
  }

  refuse(why: string): void {
    this.#emit({ kind: 'expiry-answered', why })
  }

  #end(why: string): void {
    if (this.#call === undefined) return
    this.#call = undefined
    this.refuse(why)
  }
}
