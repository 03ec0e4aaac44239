/** What the server counts and how it tells Prometheus. The names are promises to whoever has built a dashboard. */

import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'

/** Something that is asked for when somebody reads the metrics. */
export type Ask = () => number

export class Metrics {
  readonly #registry = new Registry()
  /** A sample every 100 ms tells a stalled loop well enough, and costs an idle server next to nothing. */
  readonly #lag = monitorEventLoopDelay({ resolution: 100 })

  constructor() {
    const lag = this.#lag
    lag.enable()
    this.#registry.registerMetric(
      new Gauge({
        name: 'sett_event_loop_lag_seconds',
        help: 'How late the event loop was, since metrics were last read',
        labelNames: ['quantile'],
        registers: [],
        collect() {
          // The sampler's own interval is part of what it measures.
          const late = (ns: number) => Math.max(0, ns / 1e9 - 0.1)
          this.set({ quantile: '0.5' }, late(lag.percentile(50)))
          this.set({ quantile: '0.99' }, late(lag.percentile(99)))
          this.set({ quantile: '1' }, late(lag.max))
          lag.reset()
        },
      }),
    )
    this.gauge('sett_process_resident_memory_bytes', 'Resident memory', () => process.memoryUsage.rss())
    this.counted('sett_process_cpu_seconds_total', 'CPU time, user and system', () => {
      const { user, system } = process.cpuUsage()
      return (user + system) / 1e6
    })
  }

  counter(name: string, help: string): (by?: number) => void {
    const counter = new Counter({ name, help, registers: [this.#registry] })
    return (by = 1) => counter.inc(by)
  }

  /** A counter by one label, such as a reason. */
  counterBy(name: string, help: string, label: string): (value: string, by?: number) => void {
    const counter = new Counter({ name, help, labelNames: [label], registers: [this.#registry] })
    return (value, by = 1) => counter.inc({ [label]: value }, by)
  }

  gauge(name: string, help: string, ask: Ask): void {
    this.#registry.registerMetric(
      new Gauge({
        name,
        help,
        registers: [],
        collect() {
          this.set(ask())
        },
      }),
    )
  }

  /** A counter that is kept elsewhere. */
  counted(name: string, help: string, ask: Ask): void {
    this.#registry.registerMetric(
      new Counter({
        name,
        help,
        registers: [],
        collect() {
          this.reset()
          this.inc(ask())
        },
      }),
    )
  }

  /** Counters by one label that are kept elsewhere. */
  countedBy(name: string, help: string, label: string, ask: () => Iterable<readonly [string, number]>): void {
    this.#registry.registerMetric(
      new Counter({
        name,
        help,
        labelNames: [label],
        registers: [],
        collect() {
          this.reset()
          for (const [value, count] of ask()) this.inc({ [label]: value }, count)
        },
      }),
    )
  }

  /** Durations in seconds. */
  seconds(name: string, help: string): (value: number) => void {
    const buckets = [0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
    const histogram = new Histogram({ name, help, buckets, registers: [this.#registry] })
    return (value) => histogram.observe(value)
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  text(): Promise<string> {
    return this.#registry.metrics()
  }

  close(): void {
    this.#lag.disable()
    this.#registry.clear()
  }
}
