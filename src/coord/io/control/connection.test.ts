import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { EMPTY, textOf, utf8 } from '../../../base/bytes.ts'
import { later } from '../../../base/clock.ts'
import type { Mono } from '../../../base/clock.ts'
import { nodePrimitives } from '../../../crypto/io/node-primitives.ts'
import { acceptInitiation, initiate } from '../../../crypto/noise.ts'
import type { NoiseSession } from '../../../crypto/noise.ts'
import { generateKey, machineKeyFor } from '../../../crypto/primitives.ts'
import { H2Client } from '../../../wire/h2/index.ts'
import type { H2ClientEvent } from '../../../wire/h2/index.ts'
import { RecordReader, sealRecords } from '../../../wire/noise-frame.ts'
import type { ControlHandler, ControlReply, ControlRequest } from '../../control.ts'
import type { Log } from '../log.ts'
import { Bodies } from './bodies.ts'
import { ControlConnection, MAX_BODY } from './connection.ts'
import type { Pipe, PipeEvents } from './pipe.ts'
import { Turn } from './turn.ts'

/** A pipe whose other end takes what the test lets it take. */
class TestPipe implements Pipe {
  readonly writes: Uint8Array[] = []
  /** Bytes are taken at once, or stay in the backlog until `take`. */
  stuck = false
  backlog = 0
  sent = 0
  ended = false
  destroyed = false
  #events: PipeEvents | undefined

  write(bytes: Uint8Array): void {
    this.writes.push(bytes)
    if (this.stuck) this.backlog += bytes.length
    else this.sent += bytes.length
  }
  take(): void {
    this.sent += this.backlog
    this.backlog = 0
    this.#events?.drained()
  }
  end(): void {
    this.ended = true
  }
  destroy(): void {
    this.destroyed = true
    this.#events?.closed()
  }
  listen(events: PipeEvents): void {
    this.#events = events
  }
  receive(bytes: Uint8Array): void {
    this.#events?.data(bytes)
  }
}

const quiet: Log = { trace() {}, debug() {}, info() {}, warn() {}, error() {} }

class World {
  readonly pipe = new TestPipe()
  readonly client = new H2Client()
  readonly bodies: Bodies
  readonly requests: (readonly [ControlRequest, ControlReply])[] = []
  readonly events: H2ClientEvent[] = []
  readonly connection: ControlConnection
  closed = 0
  now = 0 as Mono
  handler: ControlHandler = (request, reply) => void this.requests.push([request, reply])
  readonly #session: NoiseSession
  readonly #records: RecordReader
  #read = 0

  constructor(turn = new Turn(), bodies = new Bodies(10 * MAX_BODY)) {
    this.bodies = bodies
    const [p, server] = [nodePrimitives, generateKey(nodePrimitives.random)]
    const begun = initiate(p, generateKey(p.random), machineKeyFor(p, server), 120)
    const accepted = begun && acceptInitiation(p, server, 120, begun.message)
    const session = accepted && begun.finish(accepted.response)
    assert.ok(accepted !== undefined && session !== undefined)
    this.#session = session
    this.#records = new RecordReader(session.receiver)
    this.connection = new ControlConnection(
      this.pipe,
      { machine: accepted.machine, version: 120, from: '192.0.2.1', session: accepted },
      {
        handler: () => this.handler,
        turn,
        log: quiet,
        bodies: this.bodies,
        mono: () => this.now,
        counted: () => {},
      },
      { first: EMPTY, early: EMPTY },
      () => this.closed++,
    )
    this.read()
  }

  /** The client reads what was written since. */
  read(): H2ClientEvent[] {
    const fresh: H2ClientEvent[] = []
    for (; this.#read < this.pipe.writes.length; this.#read++) {
      for (const clear of this.#records.push(this.pipe.writes[this.#read] as Uint8Array)) {
        fresh.push(...this.client.receive(clear, this.now))
      }
    }
    this.events.push(...fresh)
    return fresh
  }

  /** The client sends what it has to say. */
  send(): void {
    for (let pieces = this.client.take(); pieces.length > 0; pieces = this.client.take()) {
      this.pipe.receive(sealRecords(this.#session.sender, pieces))
    }
  }

  sendRaw(plain: Uint8Array): void {
    this.pipe.receive(sealRecords(this.#session.sender, [plain]))
  }

  ask(path: string, body?: Uint8Array, headers: readonly (readonly [string, string])[] = []): number {
    const request = { method: 'POST', path, authority: 'unused', headers }
    const id = this.client.request(request, { end: body === undefined })
    assert.ok(id !== undefined)
    if (body !== undefined) this.client.write(id, body, { end: true })
    this.send()
    return id
  }

  get reply(): ControlReply {
    const [, reply] = this.requests.at(-1) ?? assert.fail('no request')
    return reply
  }

  /** Texts of bodies and statuses by stream, as the client saw them. */
  answers(): Record<number, string> {
    const answers: Record<number, string> = {}
    for (const event of this.events) {
      if (event.kind === 'response') answers[event.stream] = `${event.status} ${answers[event.stream] ?? ''}`
      if (event.kind === 'data') answers[event.stream] = (answers[event.stream] ?? '') + textOf(event.bytes)
      // An answer before the end of its request is followed by a reset that means no harm.
      if (event.kind === 'reset') answers[event.stream] ??= `reset ${event.code}`
    }
    return answers
  }
}

describe('one write a turn', () => {
  test('whatever many replies say in one turn, and in the promises behind it', async () => {
    const world = new World()
    const first = world.ask('/a')
    const second = world.ask('/b')
    await turn()
    world.read()
    const [a, b] = world.requests.map(([, reply]) => reply)
    assert.ok(a !== undefined && b !== undefined)
    a.start()
    await turn()
    world.read()
    const before = world.pipe.writes.length
    for (let i = 0; i < 10; i++) a.write(utf8(`${i},`))
    void Promise.resolve()
      .then(() => a.write(utf8('later')))
      .then(() => b.answer(200, 'b'))
    await turn()
    assert.equal(world.pipe.writes.length, before + 1)
    world.read()
    assert.deepEqual(world.answers(), { [first]: '200 0,1,2,3,4,5,6,7,8,9,later', [second]: '200 b' })
  })

  test('650 connections that one change concerns write once each', async () => {
    const shared = new Turn()
    const worlds = Array.from({ length: 650 }, () => new World(shared))
    for (const world of worlds) {
      world.ask('/map')
      world.reply.start()
    }
    await turn()
    const before = worlds.map((world) => world.pipe.writes.length)
    for (const world of worlds) world.reply.write(utf8('changed'))
    for (const world of worlds) world.reply.write(utf8(' again'))
    await turn()
    assert.deepEqual(
      worlds.map((world) => world.pipe.writes.length),
      before.map((count) => count + 1),
    )
  })
})

describe('back-pressure', () => {
  test('what a stuck pipe does not take stays queued, and its end is told', async () => {
    const world = new World()
    world.ask('/map')
    const { reply } = world
    let drains = 0
    reply.onDrain(() => drains++)
    reply.start()
    await turn()
    world.pipe.stuck = true
    reply.write(new Uint8Array(1000))
    await turn()
    assert.ok(reply.queued >= 1000, 'the pipe has it')
    const writes = world.pipe.writes.length
    reply.write(new Uint8Array(500))
    await turn()
    assert.equal(world.pipe.writes.length, writes, 'nothing is added to a backlog')
    assert.ok(reply.queued >= 1500)
    const had = drains
    world.pipe.stuck = false
    world.pipe.take()
    await turn()
    assert.equal(reply.queued, 0)
    assert.ok(drains > had)
  })

  test('what the client’s window does not allow stays queued until it does', async () => {
    const world = new World()
    const id = world.ask('/map')
    const { reply } = world
    let drains = 0
    reply.start()
    await turn()
    reply.onDrain(() => drains++)
    // Windows of 256 kB a stream, of which nothing is given back until the client says so.
    reply.write(new Uint8Array(400_000))
    await turn()
    assert.equal(reply.queued, 400_000 - 262_144)
    assert.equal(drains, 0)
    world.read()
    world.client.consumed(id, 262_144)
    world.send()
    await turn()
    assert.equal(reply.queued, 0)
    assert.equal(drains, 1)
  })
})

describe('requests', () => {
  test('a body of one MiB passes, a byte more is refused, announced or not', async () => {
    for (const [length, headers] of [
      [MAX_BODY, []],
      [MAX_BODY + 1, []],
      [MAX_BODY + 1, [['content-length', String(MAX_BODY + 1)]]],
    ] as const) {
      const world = new World()
      const id = world.ask('/x', new Uint8Array(length), headers)
      for (let i = 0; i < 50 && world.requests.length === 0 && !(id in world.answers()); i++) {
        await turn()
        world.read()
        world.send()
      }
      if (length === MAX_BODY) assert.equal(world.requests[0]?.[0].body.length, MAX_BODY)
      else assert.match(world.answers()[id] ?? '', /^413 the body is larger/)
      assert.equal(world.bodies.left, 10 * MAX_BODY, 'the budget is given back')
    }
  })

  test('bodies that the budget does not cover are refused, and the budget comes back', async () => {
    const world = new World(new Turn(), new Bodies(10))
    const id = world.ask('/x', new Uint8Array(11))
    await turn()
    world.read()
    assert.match(world.answers()[id] ?? '', /^503/)
    assert.equal(world.bodies.left, 10)
    const half = world.client.request({ method: 'POST', path: '/y', authority: 'unused' })
    assert.ok(half !== undefined)
    world.client.write(half, new Uint8Array(6))
    world.send()
    assert.equal(world.bodies.left, 4)
    world.pipe.destroy()
    assert.equal(world.bodies.left, 10)
  })

  test('a body that does not end gives way to the others, and its sender may try again', async () => {
    const bodies = new Bodies(1000)
    const [slow, quick] = [new World(new Turn(), bodies), new World(new Turn(), bodies)]
    const half = slow.client.request({ method: 'POST', path: '/slow', authority: 'unused' })
    assert.ok(half !== undefined)
    slow.client.write(half, new Uint8Array(1000))
    slow.send()
    assert.equal(bodies.left, 0)
    quick.ask('/quick', new Uint8Array(10))
    assert.equal(quick.requests[0]?.[0].body.length, 10)
    await turn()
    slow.read()
    assert.match(slow.answers()[half] ?? '', /^503/)
    slow.ask('/again', new Uint8Array(1000))
    assert.equal(slow.requests[0]?.[0].path, '/again')
    assert.equal(bodies.left, 1000)
  })

  test('path and query are apart, and the body is there whatever the method', () => {
    const world = new World()
    world.ask('/machine/map?x=1?y', utf8('body'))
    const [request] = world.requests[0] ?? assert.fail('no request')
    assert.equal(request.path, '/machine/map')
    assert.equal(request.query, 'x=1?y')
    assert.equal(textOf(request.body), 'body')
    assert.equal(request.from, '192.0.2.1')
  })

  test('a core that throws costs one stream, not the connection', async () => {
    const world = new World()
    const { handler } = world
    world.handler = () => {
      throw new Error('broken')
    }
    const broken = world.ask('/x')
    world.handler = handler
    const fine = world.ask('/y')
    world.reply.answer(200, 'fine')
    await turn()
    world.read()
    assert.deepEqual(world.answers(), { [broken]: 'reset INTERNAL_ERROR', [fine]: '200 fine' })
  })
})

describe('the end', () => {
  test('a reset, a lost connection and our own end each close a reply once', async () => {
    const world = new World()
    const closes: string[] = []
    const opened = ['reset', 'ours', 'answered', 'lost'].map((name) => {
      const id = world.ask(`/${name}`)
      const { reply } = world
      reply.onClose(() => closes.push(name))
      return { id, reply }
    })
    const [reset, ours, answered, lost] = opened
    assert.ok(reset !== undefined && ours !== undefined && answered !== undefined && lost !== undefined)
    world.client.reset(reset.id, 'CANCEL')
    world.send()
    ours.reply.start()
    ours.reply.end()
    ours.reply.end()
    answered.reply.answer(404)
    world.pipe.destroy()
    assert.deepEqual(closes, ['reset', 'ours', 'answered', 'lost'])
    lost.reply.write(utf8('to nobody'))
    lost.reply.answer(200)
    let late = 0
    lost.reply.onClose(() => late++)
    assert.equal(late, 1, 'who asks late hears it at once')
    assert.equal(world.closed, 1)
    await turn()
  })

  test('leaving, it answers what it has, takes nothing new, then closes', async () => {
    const world = new World()
    const id = world.ask('/x')
    world.connection.leave()
    await turn()
    assert.ok(world.read().some((event) => event.kind === 'goaway'))
    assert.equal(world.pipe.ended, false)
    world.reply.answer(200, 'last')
    await turn()
    world.read()
    assert.equal(world.answers()[id], '200 last')
    assert.equal(world.pipe.ended, true)
  })

  const broken: readonly (readonly [string, (world: World) => void])[] = [
    ['a record that does not open', (world) => world.pipe.receive(new Uint8Array([4, 0, 17, ...new Uint8Array(17)]))],
    ['a frame of another type', (world) => world.pipe.receive(new Uint8Array([1, 0, 17]))],
    ['a record that is too long', (world) => world.pipe.receive(new Uint8Array([4, 0xff, 0xff]))],
  ]
  for (const [name, act] of broken) {
    test(`${name} ends the connection`, () => {
      const world = new World()
      world.ask('/x')
      let closed = 0
      world.reply.onClose(() => closed++)
      act(world)
      assert.equal(world.pipe.destroyed, true)
      assert.equal(closed, 1)
    })
  }

  test('bytes that are no HTTP/2 are answered with GOAWAY and the end', () => {
    const world = new World()
    world.sendRaw(utf8('GET / HTTP/1.1\r\n\r\n'))
    assert.ok(world.read().some((event) => event.kind === 'goaway' && event.code === 'PROTOCOL_ERROR'))
    assert.equal(world.pipe.ended, true)
  })
})

describe('what stands still is looked at', () => {
  const at = (world: World, ms: number) => {
    world.now = later(0 as Mono, ms)
    world.connection.sweep(world.now)
  }

  test('a connection without a word ends after 15 s', () => {
    const world = new World()
    at(world, 14_000)
    assert.equal(world.pipe.destroyed, false)
    at(world, 16_000)
    assert.equal(world.pipe.destroyed, true)
  })

  test('a body that does not end is given up after a minute, the connection is not', async () => {
    const world = new World()
    const id = world.client.request({ method: 'POST', path: '/x', authority: 'unused' })
    world.send()
    at(world, 59_000)
    await turn()
    world.read()
    assert.deepEqual(world.answers(), {})
    at(world, 61_000)
    await turn()
    world.read()
    assert.equal(world.answers()[id ?? 0], 'reset CANCEL')
    assert.equal(world.pipe.destroyed, false)
  })

  test('a client that says nothing is asked whether it is there; one that answers stays, one that does not goes', async () => {
    const [there, gone] = [new World(), new World()]
    for (const world of [there, gone]) {
      world.ask('/x')
      world.reply.start()
    }
    await turn()
    for (let ms = 5_000; ms <= 600_000; ms += 5_000) {
      for (const world of [there, gone]) at(world, ms)
      await turn()
      if (ms <= 85_000) assert.equal(there.pipe.writes.length, gone.pipe.writes.length, 'nobody is asked before 90 s')
      there.read()
      there.send()
      // At most 90 s, 30 s more, 30 s for the answer, and two rounds of looking.
      assert.ok(gone.pipe.destroyed || ms <= 160_000)
    }
    assert.equal(there.pipe.destroyed, false)
  })

  test('a connection without streams leaves after five minutes; one with a stream stays', async () => {
    const [idle, busy] = [new World(), new World()]
    for (const world of [idle, busy]) world.ask('/x')
    idle.reply.answer(200)
    busy.reply.start()
    await turn()
    for (const ms of [10_000, 200_000, 299_000, 301_000, 900_000]) {
      for (const world of [idle, busy]) at(world, ms)
      await turn()
      for (const world of [idle, busy]) {
        world.read()
        world.send()
      }
      assert.equal(idle.pipe.ended, ms > 300_000)
    }
    assert.equal(idle.pipe.ended, true)
    assert.equal(busy.pipe.ended || busy.pipe.destroyed, false)
  })

  test('a client that takes nothing is given up after 150 s; a slow one is not', async () => {
    const [dead, slow] = [new World(), new World()]
    for (const world of [dead, slow]) {
      world.ask('/x')
      world.reply.start()
      await turn()
      world.pipe.stuck = true
      world.reply.write(new Uint8Array(1000))
      await turn()
    }
    for (let ms = 5_000; ms <= 160_000; ms += 5_000) {
      if (ms % 100_000 === 0) slow.pipe.take()
      // They send, so that it is not their silence that counts.
      for (const world of [dead, slow]) {
        world.client.ping(new Uint8Array(8))
        world.send()
        at(world, ms)
      }
      await turn()
      if (ms === 100_000) slow.reply.write(new Uint8Array(1000))
    }
    assert.equal(dead.pipe.destroyed, true)
    assert.equal(slow.pipe.destroyed, false)
  })

  test('a client whose window stays shut is given up too', async () => {
    const world = new World()
    world.ask('/x')
    world.reply.start()
    world.reply.write(new Uint8Array(400_000))
    await turn()
    for (let ms = 5_000; ms <= 160_000; ms += 5_000) {
      assert.equal(world.pipe.destroyed, ms > 155_000)
      world.client.ping(new Uint8Array(8))
      world.send()
      at(world, ms)
      await turn()
    }
    assert.equal(world.pipe.destroyed, true)
  })
})
