/** Drives ../apiclient: the official client of API v2, call by call. The words on the wire are in apiclient/main.go. */
import type { Namespace } from '../../lab/namespace.ts'
import type { LabProcess } from '../../lab/process.ts'
import { buildApiClient } from './build.ts'

/** Who asks. */
export type Auth =
  /** An API token or an access token. */
  | { readonly key: string; readonly tailnet?: string }
  | {
      readonly clientId: string
      readonly clientSecret: string
      readonly scopes?: readonly string[]
      readonly tailnet?: string
    }
  | { readonly clientId: string; readonly idToken: string; readonly tailnet?: string }

export type Failure = {
  readonly message: string
  readonly status?: number
  readonly notFound?: boolean
  readonly data?: readonly unknown[]
}

type Answer = { readonly id: number; readonly result?: unknown; readonly error?: Failure }

export class ApiClient {
  readonly #process: LabProcess
  readonly #pending = new Map<number, (answer: Answer) => void>()
  #lastId = 0

  private constructor(where: Namespace, program: string, url: string) {
    this.#process = where.spawn(program, [url], {
      onLine: (line) => {
        const answer = JSON.parse(line) as Answer
        this.#pending.get(answer.id)?.(answer)
      },
    })
    void this.#giveUpAtEnd()
  }

  /** Builds the program if need be and starts it; it ends with the namespace. */
  static async start(where: Namespace, url: string): Promise<ApiClient> {
    return new ApiClient(where, await buildApiClient(), url)
  }

  /** What a call returns, as the official client has read it; rejects when it fails. */
  async call<T = Record<string, any>>(auth: Auth, name: string, args: object = {}): Promise<T> {
    const { result, error } = await this.#ask(auth, name, args)
    if (error !== undefined) throw new Error(`${name}: ${error.message}`)
    return result as T
  }

  /** How a call fails, as the official client has read it; rejects when it does not. */
  async failure(auth: Auth, name: string, args: object = {}): Promise<Failure> {
    const { error } = await this.#ask(auth, name, args)
    if (error === undefined) throw new Error(`${name} has not failed`)
    return error
  }

  async #ask(auth: Auth, call: string, args: object): Promise<Answer> {
    const id = (this.#lastId += 1)
    const answer = await new Promise<Answer>((resolve) => {
      if (!this.#process.alive) return resolve({ id, error: { message: `apiclient ended: ${this.#process.output}` } })
      this.#pending.set(id, resolve)
      this.#process.write(`${JSON.stringify({ id, call, auth, args })}\n`)
    })
    this.#pending.delete(id)
    return answer
  }

  async #giveUpAtEnd(): Promise<void> {
    await this.#process.ended
    for (const [id, end] of this.#pending) end({ id, error: { message: `apiclient ended: ${this.#process.output}` } })
  }
}
