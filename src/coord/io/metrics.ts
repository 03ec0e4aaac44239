/**
 * What the server counts and how it tells Prometheus. The names are promises to whoever has built a dashboard.
 *
 * Figures are kept as plain numbers, or asked for where they are kept; the library that writes them down is loaded
 * when somebody reads them first, since most servers are never asked.
 */

import { monitorEventLoopDelay } from 'node:perf_hooks'

type Sample = readonly [label: string, value: number]

interface Definition {
  readonly kind: 'counter' | 'gauge'
  readonly name: string
  readonly help: string
  /** Name of the one label; absent: there is one sample, without a label. */
  readonly label?: string
  readonly samples: () => Iterable<Sample>
}

/** A sample every 100 ms tells a stalled loop well enough, and costs an idle server next to nothing. */
const LAG_RESOLUTION_MS = 100

export class Metrics {
  readonly #definitions: Definition[] = []
  readonly #lag = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS })

  constructor() {
    this.#lag.enable()
    this.#definitions.push({
      kind: 'gauge',
      name: 'sett_event_loop_lag_seconds',
      help: 'How late the event loop was since metrics were last read',
      label: 'quantile',
      samples: () => this.#readLag(),
    })
    this.gauge('sett_process_resident_memory_bytes', 'Resident memory', () => process.memoryUsage.rss())
    this.counted('sett_process_cpu_seconds_total', 'CPU time, user and system', () => {
      const { user, system } = process.cpuUsage()
      return (user + system) / 1e6
    })
  }

  #readLag(): Sample[] {
    // The sampler's own interval is part of what it measures.
    const late = (ns: number) => Math.max(0, ns / 1e6 - LAG_RESOLUTION_MS) / 1000
    const lag = this.#lag
    const samples: Sample[] = [
      ['0.5', late(lag.percentile(50))],
      ['0.99', late(lag.percentile(99))],
      ['1', late(lag.max)],
    ]
    lag.reset()
    return samples
  }

  /** A counter that is kept here; the function given back counts. */
  counter(name: string, help: string): (by?: number) => void {
    let count = 0
    this.counted(name, help, () => count)
    return (by = 1) => void (count += by)
  }

  /** A counter that is kept elsewhere. */
  counted(name: string, help: string, ask: () => number): void {
    this.#definitions.push({ kind: 'counter', name, help, samples: () => [['', ask()]] })
  }

  /** Counters by one label that are kept elsewhere. */
  countedBy(name: string, help: string, label: string, samples: () => Iterable<Sample>): void {
    this.#definitions.push({ kind: 'counter', name, help, label, samples })
  }

  gauge(name: string, help: string, ask: () => number): void {
    this.#definitions.push({ kind: 'gauge', name, help, samples: () => [['', ask()]] })
  }

  /** Everything as Prometheus reads it, and its content type. */
  async read(): Promise<{ readonly type: string; readonly text: string }> {
    const { Counter, Gauge, Registry } = await import('prom-client')
    const registry = new Registry()
    for (const { kind, name, help, label, samples } of this.#definitions) {
      const settings = { name, help, labelNames: label === undefined ? [] : [label], registers: [registry] }
      const metric = kind === 'counter' ? new Counter(settings) : new Gauge(settings)
      for (const [value, count] of samples()) {
        if (label === undefined) metric.inc(count)
        else metric.inc({ [label]: value }, count)
      }
    }
    return { type: registry.contentType, text: await registry.metrics() }
  }

  close(): void {
    this.#lag.disable()
  }
}
