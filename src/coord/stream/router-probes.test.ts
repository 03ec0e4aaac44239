/** Routers that answer, fall silent, leave and come back, by the millisecond. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Mono } from '../../base/clock.ts'
import { LEFT_MS, RouterProbes, SILENT_MS, WELL_MS } from './router-probes.ts'

const STEP_MS = 10
/** What comes of a verdict: it is on record a moment later. */
const COMMIT_MS = 20

/** One router as it is at a time. */
interface State {
  /** Its stream here: another number, another stream. */
  stream?: number
  answers: boolean
  /** On record: at another server. */
  elsewhere?: boolean
  /** On record: not online. */
  offline?: boolean
  unwell?: boolean
}

/** Three routers of one subnet, whose records follow the verdicts. */
class Harness {
  now = 1000 as Mono
  readonly routers = new Map<number, State>()
  readonly said: string[] = []
  asked = 0
  readonly probes: RouterProbes
  #later: { at: number; act: () => void }[] = []

  constructor(count = 2) {
    for (let node = 1; node <= count; node++) this.routers.set(node, { stream: 1, answers: true })
    this.probes = new RouterProbes({
      streamOf: (node) => {
        const stream = this.at(node).stream
        return stream === undefined ? undefined : this.#streams(node, stream)
      },
      isOurs: (node) => this.at(node).elsewhere !== true && this.at(node).offline !== true,
      isUsable: (node) => this.at(node).offline !== true && this.at(node).unwell !== true,
      isUnwell: (node) => this.at(node).unwell === true,
    })
    this.probes.watch([[...this.routers.keys()]], this.now)
  }

  at(node: number): State {
    return this.routers.get(node) as State
  }

  run(ms: number): this {
    for (const until = this.now + ms; this.now < until;) {
      this.now = (this.now + STEP_MS) as Mono
      for (const { act } of this.#later.filter(({ at }) => at <= this.now)) act()
      this.#later = this.#later.filter(({ at }) => at > this.now)
      this.tick()
    }
    return this
  }

  /** The server itself does nothing for so long. */
  sleep(ms: number): this {
    this.now = (this.now + ms) as Mono
    return this
  }

  tick(): void {
    for (const { kind, node } of this.probes.tick(this.now)) {
      if (kind === 'ask') {
        this.asked++
        this.#answer(node)
      } else {
        this.said.push(`${kind} ${node}`)
        this.after(COMMIT_MS, () => (this.at(node).unwell = kind === 'unwell'))
      }
    }
  }

  after(ms: number, act: () => void): void {
    this.#later.push({ at: this.now + ms, act })
  }

  /** Stopped programs answer when they go on, others do after 30 ms. */
  #answer(node: number): void {
    const { stream } = this.at(node)
    this.after(30, () => {
      if (this.at(node).stream !== stream) return
      if (this.at(node).answers) this.probes.heard(node, this.now)
      else this.#answer(node)
    })
  }

  readonly #objects = new Map<string, object>()
  #streams(node: number, stream: number): object {
    const key = `${node} ${stream}`
    const known = this.#objects.get(key) ?? {}
    this.#objects.set(key, known)
    return known
  }
}

/** How long until something is said. */
function until(world: Harness, most: number): number {
  const [begin, said] = [world.now, world.said.length]
  while (world.said.length === said && world.now - begin < most) world.run(STEP_MS)
  return world.now - begin
}

const silent = (world: Harness, node: number): void => void (world.at(node).answers = false)
const leave = (world: Harness, node: number): void => void delete world.at(node).stream

const rows: readonly { name: string; act: (world: Harness) => void; want: readonly string[] }[] = [
  { name: 'all answer', act: (w) => w.run(60_000), want: [] },
  { name: 'a cable is pulled', act: (w) => (silent(w, 1), w.run(SILENT_MS + 1100)), want: ['unwell 1'] },
  {
    name: 'two pauses of a second, with hardly anything in between',
    act: (w) => {
      for (let i = 0; i < 2; i++) {
        silent(w, 1)
        w.run(1000)
        w.at(1).answers = true
        w.run(50)
      }
      w.run(10_000)
    },
    want: [],
  },
  {
    name: 'two pauses of a second in one',
    act: (w) => {
      silent(w, 1)
      w.run(2000)
      w.at(1).answers = true
      w.run(10_000)
    },
    want: [],
  },
  { name: 'the stream ends', act: (w) => (leave(w, 1), w.run(LEFT_MS + 30)), want: ['unwell 1'] },
  {
    name: 'another stream follows at once',
    act: (w) => {
      leave(w, 1)
      w.run(LEFT_MS / 2)
      w.at(1).stream = 2
      w.run(10_000)
    },
    want: [],
  },
  {
    name: 'all are silent, as when the server has lost its network',
    act: (w) => (silent(w, 1), silent(w, 2), w.run(60_000)),
    want: [],
  },
  {
    name: 'all are silent, and one of them answers again',
    act: (w) => {
      for (const node of [1, 2]) silent(w, node)
      w.run(20_000)
      w.at(2).answers = true
      w.run(1200)
    },
    want: ['unwell 1'],
  },
  {
    name: 'all streams end at once, and one comes back before the other',
    act: (w) => {
      for (const node of [1, 2]) leave(w, node)
      w.run(200)
      w.at(2).stream = 2
      w.run(5000)
      w.at(1).stream = 2
      w.run(10_000)
    },
    want: [],
  },
  {
    name: 'after a start one comes back long before the other',
    act: (w) => {
      leave(w, 1)
      w.probes.watch([], w.now)
      w.probes.watch([[1, 2]], w.now)
      w.run(30_000)
    },
    want: [],
  },
  {
    name: 'the server sleeps, whatever for',
    act: (w) => {
      for (const ms of [500, 3000, 60_000]) w.sleep(ms).run(3000)
    },
    want: [],
  },
  {
    name: 'one that is unwell answers again, for long enough',
    act: (w) => {
      silent(w, 1)
      w.run(6000)
      w.at(1).answers = true
      w.run(WELL_MS + 2100)
    },
    want: ['unwell 1', 'well 1'],
  },
  {
    name: 'one that is unwell answers now and then',
    act: (w) => {
      silent(w, 1)
      w.run(6000)
      for (let i = 0; i < 5; i++) {
        w.at(1).answers = true
        w.run(3000)
        silent(w, 1)
        w.run(3000)
      }
    },
    want: ['unwell 1'],
  },
  {
    name: 'one with nobody to stand in but who is unwell too',
    act: (w) => {
      w.at(2).unwell = true
      silent(w, 2)
      silent(w, 1)
      w.run(20_000)
    },
    want: [],
  },
  {
    name: 'the other one is at another server',
    act: (w) => {
      w.at(2).elsewhere = true
      delete w.at(2).stream
      w.run(100)
      silent(w, 1)
      w.run(SILENT_MS + 1100)
    },
    want: ['unwell 1'],
  },
  {
    name: 'it has gone over to another server',
    act: (w) => {
      w.at(1).elsewhere = true
      leave(w, 1)
      w.run(10_000)
    },
    want: [],
  },
  {
    name: 'it is known to be offline',
    act: (w) => {
      w.at(1).offline = true
      leave(w, 1)
      w.run(10_000)
    },
    want: [],
  },
]

for (const { name, act, want } of rows)
  test(`${name}: ${want.join(', ') || 'nothing'}`, () => {
    const world = new Harness().run(3000)
    act(world)
    assert.deepEqual(world.said, want)
  })

test('however it falls between two questions, silence is found after 2.5 to 3.6 seconds', () => {
  for (let phase = 0; phase < 1000; phase += 50) {
    const world = new Harness().run(3000 + phase)
    silent(world, 1)
    const took = until(world, 10_000)
    assert.ok(took >= SILENT_MS - 1050 && took <= SILENT_MS + 100, `${took} ms at ${phase}`)
  }
})

test('whoever waits for the deadline misses nothing, and asks each once a second', () => {
  const world = new Harness(3).run(3000)
  const before = world.asked
  for (const until = world.now + 60_000; world.now < until;) {
    const due = world.probes.deadline()
    assert.ok(due > world.now && due - world.now <= 1000, `${due - world.now}`)
    world.run(Math.max(STEP_MS, Math.ceil((due - world.now) / STEP_MS) * STEP_MS))
  }
  assert.ok(Math.abs(world.asked - before - 180) <= 6, `${world.asked - before} questions in a minute`)
})

test('a stream that has not answered yet is given fifteen seconds: it may be reading a large map', () => {
  const world = new Harness().run(3000)
  world.at(1).stream = 2
  silent(world, 1)
  const took = until(world, 30_000)
  assert.ok(took > 14_000 && took < 16_000, `${took} ms`)
})

test('nobody is asked where nobody could stand in', () => {
  const world = new Harness().run(3000)
  world.probes.watch([], world.now)
  const before = world.asked
  world.run(10_000)
  assert.equal(world.asked, before)
  assert.equal(world.probes.deadline(), Infinity)
})
