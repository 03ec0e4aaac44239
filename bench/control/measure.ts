/**
 * The measurement: one tailnet where everybody sees everybody grows to its size, lives, and loses its server, while
 * times are taken at the nodes, bytes at their sockets, and CPU time and memory at the server's process. And one where
 * a policy says who sees whom, which only grows.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { assertEqual } from './check.ts'
import { Identity } from './identity.ts'
import { Reading } from './reading.ts'
import type { MeasuredServer } from './server.ts'
import { EVERYBODY } from './sight.ts'
import type { Sight } from './sight.ts'
import { SimulatedNode } from './simulated-node.ts'
import type { Surroundings } from './simulated-node.ts'
import { Tailnet } from './tailnet.ts'
import type { Change } from './tailnet.ts'

export interface Plan {
  readonly nodes: number
  readonly joinsPerSecond: number
  /** How often the single events are repeated. */
  readonly repeats: number
  readonly changesPerSecond: number
  readonly changeSeconds: number
}

/** What it took for all to join. Times in ms, bytes at the nodes' sockets in both directions. */
export interface Enrolment {
  readonly nodes: number
  /** Joins begun per second, by the clock; below the plan when the generator could not keep up. */
  readonly joinsPerSecond: number
  readonly registerToMap: readonly number[]
  /** From the first join until nothing moved any more. */
  readonly enrolCpuMs: number
  readonly enrolBytes: number
}

/** What was measured where everybody sees everybody. */
export interface Figures extends Enrolment {
  /** Until the last peer knew, for each of the changes; then bytes and CPU time of all nodes together. */
  readonly changeLast: readonly number[]
  readonly changeBytes: readonly number[]
  readonly changeCpuMs: readonly number[]
  readonly joinLast: readonly number[]
  readonly joinBytes: readonly number[]
  readonly joinCpuMs: readonly number[]
  /** Every peer's lag for every change of the stream of changes. */
  readonly streamLags: readonly number[]
  readonly streamCpuPerChangeMs: number
  readonly streamBytesPerChange: number
  /** From the stop signal until the last node had its map again; and of that, until the new process was ready. */
  readonly restartMs: number
  readonly restartDownMs: number
  readonly restartCpuMs: number
  readonly peakBytes: number
}

/** Without a byte moved for so long it is quiet. */
const QUIET_MS = 600
/** After a join the client says something for another 2.5 s at most. */
const PATIENCE_MS = 120_000

export async function measure(server: MeasuredServer, plan: Plan, say: (line: string) => void): Promise<Figures> {
  const run = await Run.begin(server, plan, EVERYBODY)
  try {
    say('enrolling')
    const enrolled = await run.enrol()
    say('checking all maps')
    await run.checkAll()
    say('single changes')
    const changes = await run.singleChanges()
    say('single joins')
    const joins = await run.singleJoins()
    say('a stream of changes')
    const stream = await run.streamOfChanges()
    await run.checkAll()
    say('restart')
    const restarted = await run.restart()
    await run.checkAll()
    return {
      ...enrolled,
      ...changes,
      ...joins,
      ...stream,
      ...restarted,
      peakBytes: server.peakBytes(),
    }
  } finally {
    run.leave()
  }
}

/** All join under the policy of `sight`, and no more than that. */
export async function measureEnrolment(
  server: MeasuredServer,
  plan: Plan,
  sight: Sight,
  say: (line: string) => void,
): Promise<Enrolment> {
  const run = await Run.begin(server, plan, sight)
  try {
    say('enrolling under a policy')
    const enrolled = await run.enrol()
    say('checking all maps')
    await run.checkAll()
    return enrolled
  } finally {
    run.leave()
  }
}

class Run {
  readonly #server: MeasuredServer
  readonly #plan: Plan
  readonly #tailnet = new Tailnet()
  readonly #reading = new Reading(this.#tailnet)
  readonly #nodes: SimulatedNode[] = []
  readonly #around: Surroundings
  /** Nodes that have their map. */
  readonly #ready: number[] = []
  #failure: unknown

  static async begin(server: MeasuredServer, plan: Plan, sight: Sight): Promise<Run> {
    if (sight.policy !== undefined) await server.savePolicy(sight.policy)
    const keys = new Map<string | undefined, string>()
    for (let index = 0; index < plan.nodes; index++) {
      const tag = sight.tagOf(index)
      if (!keys.has(tag)) keys.set(tag, await server.reusableKey(tag))
    }
    return new Run(server, plan, sight, keys)
  }

  private constructor(
    server: MeasuredServer,
    plan: Plan,
    sight: Sight,
    authKeys: ReadonlyMap<string | undefined, string>,
  ) {
    this.#server = server
    this.#plan = plan
    this.#around = {
      address: server.address,
      sight,
      tailnet: this.#tailnet,
      reading: this.#reading,
      authKeyFor: (index) => authKeys.get(sight.tagOf(index)) as string,
      readyFor: (index) => this.#ready.filter((other) => sight.sees(index, other)).length,
      failed: (error) => (this.#failure ??= error),
    }
  }

  async enrol(): Promise<Enrolment> {
    const { nodes, joinsPerSecond } = this.#plan
    const cpu = this.#server.cpuMs()
    const began = performance.now()
    const joined: Promise<void>[] = []
    for (let i = 0; i < nodes; i++) {
      await this.#until(() => performance.now() >= began + (i * 1000) / joinsPerSecond, 2)
      joined.push(this.#join())
    }
    const seconds = (performance.now() - began) / 1000
    await Promise.all(joined)
    await this.#quiet()
    return {
      nodes,
      joinsPerSecond: nodes / seconds,
      registerToMap: this.#nodes.map(({ beganAt, mapAt }) => mapAt - beganAt),
      enrolCpuMs: this.#server.cpuMs() - cpu,
      enrolBytes: this.#bytes(),
    }
  }

  async singleChanges() {
    const [changeLast, changeBytes, changeCpuMs]: number[][] = [[], [], []]
    const others = this.#nodes.length - 1
    for (let i = 0; i < this.#plan.repeats; i++) {
      await this.#quiet()
      const [cpu, bytes] = [this.#server.cpuMs(), this.#bytes()]
      const change = this.#move(this.#nodes[(i * 37) % this.#nodes.length] as SimulatedNode)
      await this.#until(() => change.lags.length >= others, 1)
      await this.#quiet()
      changeLast?.push(Math.max(...change.lags))
      changeBytes?.push(this.#bytes() - bytes)
      changeCpuMs?.push(this.#server.cpuMs() - cpu)
    }
    return { changeLast: changeLast ?? [], changeBytes: changeBytes ?? [], changeCpuMs: changeCpuMs ?? [] }
  }

  async singleJoins() {
    const [joinLast, joinBytes, joinCpuMs]: number[][] = [[], [], []]
    for (let i = 0; i < this.#plan.repeats; i++) {
      await this.#quiet()
      const [cpu, bytes] = [this.#server.cpuMs(), this.#bytes()]
      const index = this.#nodes.length
      await this.#join()
      await this.#quiet()
      this.#reading.drain()
      assertEqual(this.#tailnet.knownBy[index], index, 'how many know the new node')
      joinLast?.push((this.#tailnet.lastKnownAt[index] as number) - (this.#nodes[index] as SimulatedNode).beganAt)
      joinBytes?.push(this.#bytes() - bytes)
      joinCpuMs?.push(this.#server.cpuMs() - cpu)
    }
    return { joinLast: joinLast ?? [], joinBytes: joinBytes ?? [], joinCpuMs: joinCpuMs ?? [] }
  }

  async streamOfChanges() {
    const { changesPerSecond, changeSeconds } = this.#plan
    await this.#quiet()
    const [cpu, bytes, began] = [this.#server.cpuMs(), this.#bytes(), performance.now()]
    const count = changesPerSecond * changeSeconds
    const changes: Change[] = []
    for (let i = 0; i < count; i++) {
      await this.#until(() => performance.now() >= began + (i * 1000) / changesPerSecond, 2)
      changes.push(this.#move(this.#nodes[(i * 41) % this.#nodes.length] as SimulatedNode))
    }
    await this.#quiet()
    const others = this.#nodes.length - 1
    // A node that moved again before all had heard of it leaves changes that some were never told of by themselves.
    if (count <= this.#nodes.length)
      for (const { lags } of changes) assertEqual(lags.length, others, 'how many heard of a change')
    return {
      streamLags: changes.flatMap(({ lags }) => lags),
      streamCpuPerChangeMs: (this.#server.cpuMs() - cpu) / count,
      streamBytesPerChange: (this.#bytes() - bytes) / count,
    }
  }

  async restart() {
    await this.#quiet()
    const began = performance.now()
    await this.#server.restart()
    const ready = performance.now()
    await this.#until(() => this.#nodes.every(({ mapAt }) => mapAt > began), 5)
    const last = Math.max(...this.#nodes.map(({ mapAt }) => mapAt))
    await this.#quiet()
    return { restartMs: last - began, restartDownMs: ready - began, restartCpuMs: this.#server.cpuMs() }
  }

  /** Every node knows every other that it sees as it is now, and nobody else. */
  async checkAll(): Promise<void> {
    await this.#quiet()
    this.#reading.drain()
    for (const node of this.#nodes) node.check()
    this.#tailnet.checkUnique()
  }

  leave(): void {
    for (const node of this.#nodes) node.leave()
  }

  async #join(): Promise<void> {
    const node = new SimulatedNode(new Identity(this.#nodes.length), this.#around)
    this.#nodes.push(node)
    try {
      await node.join()
      this.#ready.push(node.identity.index)
    } catch (error) {
      this.#failure ??= error
    }
  }

  #move(node: SimulatedNode): Change {
    node.identity.move()
    const change = this.#tailnet.changed(node.identity.index)
    node.update().catch((error: unknown) => (this.#failure ??= error))
    return change
  }

  #bytes(): number {
    let bytes = 0
    for (const node of this.#nodes) bytes += node.bytes
    return bytes
  }

  async #quiet(): Promise<void> {
    let [bytes, since] = [this.#bytes(), performance.now()]
    await this.#until(() => {
      const now = this.#bytes()
      if (now !== bytes) [bytes, since] = [now, performance.now()]
      return performance.now() - since >= QUIET_MS
    }, 50)
  }

  async #until(done: () => boolean, pauseMs: number): Promise<void> {
    const began = performance.now()
    while (!done()) {
      if (this.#failure !== undefined) throw this.#failure
      if (performance.now() - began > PATIENCE_MS) throw new Error('what should have happened did not')
      await sleep(pauseMs)
    }
  }
}
