/** Who may speak to whom in a simulated tailnet: the text that the server has, and a plain table that says the same. */

/** The port that grants speak of. */
export const PORT = 7000
export const TAGS = ['tag:a', 'tag:b', 'tag:c'] as const

/** After a change of the policy, so long may somebody still go by the one before. */
const STALE_MS = 5000

interface Table {
  readonly since: number
  /** `from>to`, without "tag:". */
  readonly allowed: ReadonlySet<string>
}

export class Policy {
  /** The newest last. */
  readonly #tables: Table[] = [{ since: 0, allowed: new Set(['a>a', 'a>b', 'b>a', 'c>a', 'b>c']) }]

  get #now(): Table {
    return this.#tables.at(-1) as Table
  }

  allows(from: string, to: string): boolean {
    return this.#now.allowed.has(`${from.slice(4)}>${to.slice(4)}`)
  }

  /** Was it allowed at any time while it was under way, or so shortly before that not everybody had heard of the end? */
  mayHaveArrived(from: string, to: string, sentAt: number, now: number): boolean {
    const pair = `${from.slice(4)}>${to.slice(4)}`
    return this.#tables.some(({ since, allowed }, i) => {
      const until = (this.#tables[i + 1]?.since ?? Infinity) + (this.isCalm ? STALE_MS : Infinity)
      return allowed.has(pair) && sentAt <= until && since <= now
    })
  }

  /** Changes reach everybody soon. While the world is in turmoil somebody may be cut off, and go by an old policy. */
  isCalm = false

  set(allowed: readonly string[], now: number): void {
    this.#tables.push({ since: now, allowed: new Set(allowed) })
  }

  get text(): string {
    const grants = [...this.#now.allowed].map((pair) => {
      const [from, to] = pair.split('>')
      return { src: [`tag:${from}`], dst: [`tag:${to}`], ip: [`udp:${PORT}`] }
    })
    return JSON.stringify({ tagOwners: Object.fromEntries(TAGS.map((tag) => [tag, []])), grants })
  }
}
