/** A text that must not be printed: auth keys, tokens, passwords. Logging or serialising it shows only its kind. */

export class Secret {
  readonly #text: string
  readonly #kind: string

  constructor(text: string, kind = 'secret') {
    this.#text = text
    this.#kind = kind
  }

  /** The text itself, for the one place that needs it. */
  reveal(): string {
    return this.#text
  }

  toString(): string {
    return `[${this.#kind}]`
  }

  toJSON(): string {
    return `[${this.#kind}]`
  }
}
