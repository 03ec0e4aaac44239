/** The figures of a tunnel, what is asked of ours beside others', and how they are told. */

/** One figure a round each. */
export const FIGURES = {
  tcp: 'TCP, 1 stream, Mbit/s',
  tcpPerCore: '  Mbit/s per core of both daemons',
  tcpCost: '  CPU seconds per gigabit',
  tcp4: 'TCP, 4 streams, Mbit/s',
  tcp4PerCore: '  Mbit/s per core of both daemons',
  tcp4Cost: '  CPU seconds per gigabit',
  both: 'TCP, both ways at once, Mbit/s',
  bothPerCore: '  Mbit/s per core of both daemons',
  bothCost: '  CPU seconds per gigabit',
  udp: 'UDP of 1,200 B below 1 % loss, Mbit/s',
  udpCores: '  cores of both daemons at 100 Mbit/s of it',
  ping: 'ping, mean, ms',
} as const
export type Figure = keyof typeof FIGURES
export const NAMES = Object.keys(FIGURES) as Figure[]
export type Figures = Record<Figure, number>

export interface Measured {
  readonly name: string
  readonly medians: Figures
}

const LEAST = (limit: number) => ({ least: limit, most: Infinity })
const MOST = (limit: number) => ({ least: 0, most: limit })
/** Those whom ours is held against, and what our figure divided by theirs has to be. */
const ASKED: Readonly<Record<string, Partial<Record<Figure, { readonly least: number; readonly most: number }>>>> = {
  'wireguard-go': {
    tcpPerCore: LEAST(1.2),
    tcp4PerCore: LEAST(1.2),
    udp: LEAST(3),
    udpCores: MOST(0.5),
    ping: MOST(1),
  },
  tailscaled: {
    tcpPerCore: LEAST(1.4),
    udp: LEAST(3),
    udpCores: MOST(0.5),
  },
}

/** One figure of ours beside another's. */
export interface Ratio {
  readonly figure: Figure
  readonly what: string
  readonly against: string
  readonly ratio: number
  /** What is asked, where something is. */
  readonly limit?: number
  readonly atMost?: boolean
  readonly passed: boolean
}

export function ratiosOf(ours: Measured, others: readonly Measured[]): Ratio[] {
  return others.flatMap((other) =>
    NAMES.map((figure): Ratio => {
      const ratio = ours.medians[figure] / other.medians[figure]
      const asked = ASKED[other.name]?.[figure]
      const what = FIGURES[figure].trim()
      if (asked === undefined) return { figure, what, against: other.name, ratio, passed: true }
      const { least, most } = asked
      const atMost = most !== Infinity
      const passed = ratio >= least && ratio <= most
      return { figure, what, against: other.name, ratio, limit: atMost ? most : least, atMost, passed }
    }),
  )
}

export function median(figures: readonly number[]): number {
  const sorted = [...figures].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? NaN
}

/** Head and rows of a table: every tunnel's medians, then each ratio with what is asked of it. */
export function tableOf(all: readonly Measured[], ratios: readonly Ratio[]): { head: string[]; rows: string[][] } {
  const against = [...new Set(ratios.map((r) => r.against))]
  const head = ['', ...all.map(({ name }) => name), ...against.flatMap((name) => [`ours : ${name}`, 'asked'])]
  const rows = NAMES.map((figure) => [
    FIGURES[figure],
    ...all.map(({ medians }) => short(medians[figure])),
    ...against.flatMap((name) => {
      const found = ratios.find((r) => r.against === name && r.figure === figure)
      return found === undefined ? ['', ''] : [short(found.ratio), askedText(found)]
    }),
  ])
  return { head, rows }
}

function askedText({ limit, atMost, passed }: Ratio): string {
  if (limit === undefined) return ''
  return `${atMost === true ? '≤' : '≥'} ${limit}${passed ? '' : ', missed'}`
}

function short(n: number): string {
  return Number.isFinite(n) ? (n < 10 ? n.toFixed(2) : n.toFixed(0)) : '–'
}
