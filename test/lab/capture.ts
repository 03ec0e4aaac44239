/**
 * Counts packets of a namespace as they pass, by what an nftables match says of them: what went directly and what by
 * relay, how large segments are offered, what a firewall saw. Kernel counters, so that a flood costs nothing.
 */

import type { Namespace } from './namespace.ts'

/** Where packets are counted; before any other chain of that hook. */
export type Hook = 'input' | 'output' | 'forward'

export interface Counted {
  readonly packets: number
  readonly bytes: number
}

/** Packets at a hook that nft's words match, such as `oifname "eth0" udp dport 41641`. */
export interface Match {
  readonly hook: Hook
  readonly match: string
}

const PRIORITY = -400

export class Capture<Name extends string> {
  readonly #where: Namespace
  readonly #table: string

  private constructor(where: Namespace, table: string) {
    this.#where = where
    this.#table = table
  }

  /** Counts from now on. @param table unlike that of other captures in this namespace */
  static async of<Name extends string>(
    where: Namespace,
    matches: Readonly<Record<Name, Match>>,
    table = 'capture',
  ): Promise<Capture<Name>> {
    const lines = Object.entries<Match>(matches).flatMap(([name, { hook, match }]) => [
      `counter ${name} { }`,
      `chain c_${name} {`,
      `type filter hook ${hook} priority ${PRIORITY};`,
      `${match} counter name ${name}`,
      `}`,
    ])
    await where.nft(`table inet ${table} {\n${lines.join('\n')}\n}`)
    return new Capture(where, table)
  }

  async counts(): Promise<Readonly<Record<Name, Counted>>> {
    const said = JSON.parse(await this.#where.exec('nft', ['-j', 'list counters table inet', this.#table])) as {
      readonly nftables: readonly { readonly counter?: Counted & { readonly name: string } }[]
    }
    const found = said.nftables.flatMap(({ counter }) => (counter === undefined ? [] : [counter]))
    return Object.fromEntries(found.map(({ name, packets, bytes }) => [name, { packets, bytes }])) as Record<
      Name,
      Counted
    >
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#where.nft(`delete table inet ${this.#table}`)
  }
}
