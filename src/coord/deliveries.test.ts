/** Deliveries in one process and simulated time: in order, at least once, by one server, and never for ever. */

import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { testLedger, TESTER } from '../../test/support/ledger.ts'
import { RestWorld } from '../../test/support/rest-world.ts'
import { World } from '../../test/support/world.ts'
import { textOf } from '../base/bytes.ts'
import { DAY_MS, HOUR_MS, later, MINUTE_MS, SECOND_MS } from '../base/clock.ts'
import type { WebhookEvent } from '../wire/webhook-events.ts'
import { Deliveries } from './deliveries.ts'
import { updateNode } from './model/node-changes.ts'
import type { Node } from './model/records.ts'
import type { Outgoing, Sent } from './model/outgoing.ts'
import { MemoryStore } from './store/memory.ts'

type Http = Extract<Outgoing, { kind: 'http' }>
const GOOD: Sent = { kind: 'answered', status: 204, body: '' }
const BAD: Sent = { kind: 'answered', status: 500, body: '' }

/** A server that delivers, on the database of a `RestWorld`. */
class Server {
  readonly sent: { readonly at: number; readonly outgoing: Http; readonly answer: Sent }[] = []
  readonly failures: unknown[] = []
  answer: (outgoing: Http) => Sent | Promise<Sent> = () => GOOD
  deliveries!: Deliveries
  readonly #world: RestWorld
  #dead = false

  private constructor(world: RestWorld) {
    this.#world = world
  }

  static async start(world: RestWorld, server = 'one'): Promise<Server> {
    const made = new Server(world)
    let follow: Deliveries | undefined
    const ledger = await testLedger(world.clock, world.database, (changes) => follow?.changed(changes))
    made.deliveries = follow = new Deliveries({
      ledger,
      clocks: world.clock,
      server,
      url: 'https://sett.test',
      wake: () => undefined,
      failed: (_, error) => made.failures.push(error),
      abort: () => undefined,
      unseal: (sealed) => atob(sealed.split(' ').at(-1) as string),
      send: (outgoing) => made.#send(outgoing as Http),
      making: {
        sha256: (...parts) => createHash('sha256').update(Buffer.concat(parts)).digest(),
        hmac: (key, text) => createHmac('sha256', key).update(text).digest(),
        compress: (bytes) => bytes,
      },
    })
    return made
  }

  async #send(outgoing: Http): Promise<Sent> {
    const answer = await this.answer(outgoing)
    this.sent.push({ at: this.#world.clock.now, outgoing, answer })
    // A process that was killed hears nothing any more.
    return this.#dead ? await new Promise<Sent>(() => undefined) : answer
  }

  /** From now on nothing that it does has any effect. */
  kill(): void {
    this.#dead = true
  }

  /** Lets it do what is due now. */
  async settle(): Promise<void> {
    for (let i = 0; i < 60 && !this.#dead; i++) {
      this.deliveries.tick(this.#world.clock.mono())
      await setImmediate()
    }
  }

  async pass(ms: number, step = SECOND_MS): Promise<void> {
    for (let gone = 0; gone < ms; gone += step) {
      this.#world.clock.advance(Math.min(step, ms - gone))
      await this.settle()
    }
  }

  /** Events of the deliveries that were taken. */
  events(): WebhookEvent[] {
    return this.sent
      .filter(({ answer }) => answer === GOOD)
      .flatMap(({ outgoing }) => JSON.parse(textOf(outgoing.body) as string) as WebhookEvent[])
  }
}

const T = '/tailnet/alpha'
const types = (events: readonly WebhookEvent[]) =>
  events.map(({ type, data }) => {
    const { deviceName, user } = (data ?? {}) as { deviceName?: string; user?: string }
    return [type, deviceName ?? user].filter((text) => text !== undefined).join(' ')
  })

async function webhook(world: RestWorld, subscriptions = ['categoryTailnetManagement'], more = {}) {
  const made = await world.post(`${T}/webhooks`, { endpointUrl: 'https://hooks.test/a', subscriptions, ...more })
  return { id: made.endpointId as string, secret: made.secret as string }
}

async function join(world: RestWorld, name: string, more: Partial<Node> = {}): Promise<Node> {
  return await world.join(world.alpha.num, Number(world.alpha.userIds.owner), name, more)
}

test('an endpoint hears what happened since it was made, in order and once', async () => {
  const world = await RestWorld.make()
  const server = await Server.start(world)
  await server.settle()
  const { id, secret } = await webhook(world)
  const one = await join(world, 'one')
  await join(world, 'two', { authorized: false })
  await server.settle()
  await world.ask('DELETE', `/device/${one.stableId}`, { server: true })
  await world.post(`/users/${world.alpha.userIds.member}/role`, { role: 'auditor' })
  await server.settle()
  await server.pass(MINUTE_MS, 10 * SECOND_MS)
  assert.deepEqual(types(server.events()), [
    'nodeCreated one.alpha.sett.internal',
    'nodeCreated two.alpha.sett.internal',
    'nodeNeedsApproval two.alpha.sett.internal',
    'nodeDeleted one.alpha.sett.internal',
    'userRoleUpdated member',
  ])
  const [{ outgoing }] = server.sent as [Server['sent'][0]]
  const [, t, v1] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(outgoing.headers['Tailscale-Webhook-Signature'] ?? '') ?? []
  assert.equal(
    v1,
    createHmac('sha256', secret)
      .update(`${t}.${textOf(outgoing.body)}`)
      .digest('hex'),
  )
  const status = await world.get(`/sett/webhooks/${id}/status`)
  assert.deepEqual([status.eventsDelivered, status.attemptsFailed, status.lastError], [5, 0, ''])
  assert.deepEqual(server.failures, [])
})

test('what is refused is tried again ever later and in smaller parts, and nothing is lost', async () => {
  const world = await RestWorld.make()
  const server = await Server.start(world)
  const { id } = await webhook(world, ['nodeCreated'])
  server.answer = () => BAD
  for (let i = 0; i < 70; i++) await join(world, `n${i}`)
  await server.settle()
  await server.pass(16 * SECOND_MS)
  const start = server.sent[0]?.at ?? 0
  assert.deepEqual(
    server.sent.map(({ at }) => (at - start) / SECOND_MS),
    [0, 1, 3, 7, 15],
  )
  const sizes = server.sent.map(({ outgoing }) => (JSON.parse(textOf(outgoing.body) as string) as unknown[]).length)
  assert.deepEqual(sizes, [70, 50, 25, 12, 6])
  const status = await world.get(`/sett/webhooks/${id}/status`)
  assert.deepEqual([status.attemptsFailed, status.lastError, status.eventsDelivered], [5, 'it answered 500', 0])
  assert.equal(Date.parse(status.nextAttempt), start + 31 * SECOND_MS)
  server.answer = () => GOOD
  await server.pass(20 * SECOND_MS)
  assert.deepEqual(
    types(server.events()),
    Array.from({ length: 70 }, (_, i) => `nodeCreated n${i}.alpha.sett.internal`),
  )
  assert.equal((await world.get(`/sett/webhooks/${id}/status`)).nextAttempt, undefined)
})

test('a server that dies between sending and keeping sends again; its successor goes on', async () => {
  const world = await RestWorld.make()
  await webhook(world, ['nodeCreated'])
  const first = await Server.start(world)
  await join(world, 'one')
  first.answer = () => {
    first.kill()
    return GOOD
  }
  await first.settle()
  assert.deepEqual(types(first.events()), ['nodeCreated one.alpha.sett.internal'])
  await join(world, 'two')
  const next = await Server.start(world)
  await next.settle()
  assert.deepEqual(types(next.events()), ['nodeCreated one.alpha.sett.internal', 'nodeCreated two.alpha.sett.internal'])
})

test('of two servers one delivers; when it stops the other goes on at once, when it dies within a minute', async () => {
  const world = await RestWorld.make()
  await webhook(world, ['nodeCreated'])
  const [one, two] = [await Server.start(world, 'one'), await Server.start(world, 'two')]
  const both = async (ms = 0) => {
    for (let gone = 0; gone <= ms; gone += 10 * SECOND_MS) {
      if (gone > 0) world.clock.advance(10 * SECOND_MS)
      await one.settle()
      await two.settle()
    }
  }
  await both()
  await join(world, 'a')
  await both(5 * MINUTE_MS)
  assert.deepEqual([one.sent.length, two.sent.length], [1, 0])
  await one.deliveries.stop()
  await join(world, 'b')
  await both(10 * SECOND_MS)
  assert.deepEqual([one.sent.length, two.sent.length], [1, 1])
  const three = await Server.start(world, 'three')
  two.kill()
  await join(world, 'c')
  await three.pass(40 * SECOND_MS, 10 * SECOND_MS)
  assert.equal(three.sent.length, 0)
  await three.pass(20 * SECOND_MS, 10 * SECOND_MS)
  assert.deepEqual(types(three.events()), ['nodeCreated c.alpha.sett.internal'])
})

test('a slow endpoint keeps no other waiting', async () => {
  const world = await RestWorld.make()
  const server = await Server.start(world)
  await webhook(world, ['nodeCreated'], { endpointUrl: 'https://slow.test/' })
  await webhook(world, ['nodeCreated'], { endpointUrl: 'https://quick.test/' })
  let let_ = (_: Sent): void => undefined
  server.answer = ({ url }) => (url.includes('slow') ? new Promise<Sent>((resolve) => (let_ = resolve)) : GOOD)
  for (const name of ['a', 'b', 'c']) {
    await join(world, name)
    await server.settle()
  }
  assert.equal(server.events().length, 3)
  let_(GOOD)
  await server.settle()
  assert.equal(server.events().length, 4)
})

test('a test is posted at once, also while other deliveries fail', async () => {
  const world = await RestWorld.make()
  const server = await Server.start(world)
  const { id } = await webhook(world, ['nodeCreated'])
  server.answer = () => BAD
  await join(world, 'a')
  await server.pass(20 * SECOND_MS)
  const before = server.sent.length
  server.answer = () => GOOD
  const told = await world.ask('POST', `/webhooks/${id}/test`, { token: world.alpha.tokens.admin })
  assert.deepEqual([told.status, told.text], [202, ''])
  await server.settle()
  assert.deepEqual(types(server.events()), ['test', 'nodeCreated a.alpha.sett.internal'])
  assert.equal(server.events()[0]?.data?.['actor'], 'admin')
  assert.equal(server.sent.length, before + 2)
})

test('what nobody took for three days is left out, counted, and no longer in the way', async () => {
  const world = await RestWorld.make()
  const server = await Server.start(world)
  const { id } = await webhook(world, ['nodeCreated'])
  server.answer = () => BAD
  await join(world, 'old')
  await server.pass(4 * DAY_MS, HOUR_MS)
  await join(world, 'new')
  server.answer = () => GOOD
  await server.pass(HOUR_MS, MINUTE_MS)
  assert.deepEqual(types(server.events()), ['nodeCreated new.alpha.sett.internal'])
  const status = await world.get(`/sett/webhooks/${id}/status`)
  assert.deepEqual([status.eventsDelivered, status.eventsLeftOut], [1, 1])
})

test('for a day after its secret was rotated, deliveries are signed with both', async () => {
  const world = await RestWorld.make()
  const server = await Server.start(world)
  const { id, secret: old } = await webhook(world, ['nodeCreated'])
  const { secret } = await world.post(`/webhooks/${id}/rotate`)
  assert.notEqual(secret, old)
  const signers = async (name: string) => {
    await join(world, name)
    await server.settle()
    const { outgoing } = server.sent.at(-1) as Server['sent'][0]
    const [t = '', ...signed] = (outgoing.headers['Tailscale-Webhook-Signature'] ?? '').split(',')
    const by = (key: string) =>
      createHmac('sha256', key)
        .update(`${t.slice(2)}.${textOf(outgoing.body)}`)
        .digest('hex')
    return signed.map((one) => (one === `v1=${by(secret)}` ? 'new' : one === `v1=${by(old)}` ? 'old' : 'nobody'))
  }
  assert.deepEqual(await signers('a'), ['new', 'old'])
  assert.equal(server.events()[0]?.type, 'webhookUpdated')
  world.clock.advance(DAY_MS)
  assert.deepEqual(await signers('b'), ['new'])
})

test('a key that runs out is told of a day before and when it has', async () => {
  const world = await RestWorld.make()
  const server = await Server.start(world)
  await webhook(world, ['nodeKeyExpiringInOneDay', 'nodeKeyExpired'])
  const expiry = later(world.clock.wall(), 3 * DAY_MS)
  const node = await join(world, 'a', { keyExpiry: expiry })
  await server.pass(2 * DAY_MS - HOUR_MS, HOUR_MS)
  assert.deepEqual(server.events(), [])
  await server.pass(3 * HOUR_MS, MINUTE_MS * 10)
  assert.deepEqual(types(server.events()), ['nodeKeyExpiringInOneDay a.alpha.sett.internal'])
  assert.equal(server.events()[0]?.data?.['expiration'], new Date(expiry).toISOString().replace('.000', ''))
  // Not again, whoever goes on.
  await server.deliveries.stop()
  await world.ledger.transact(world.alpha.num, TESTER, (model, now) => {
    const state = model.state(world.alpha.num)
    const found = state.node(node.id) as Node
    return { batch: updateNode(state, found, { ...found, keyExpiryDisabled: true }, now), result: undefined }
  })
  const next = await Server.start(world, 'two')
  await next.pass(DAY_MS, HOUR_MS)
  assert.deepEqual(next.events(), [])
})

test('an endpoint that is removed while it is being told leaves nothing behind', async () => {
  const world = await RestWorld.make()
  const server = await Server.start(world)
  const { id } = await webhook(world, ['nodeCreated'])
  server.answer = async () => {
    await world.ask('DELETE', `/webhooks/${id}`, { server: true })
    return GOOD
  }
  await join(world, 'a')
  await server.settle()
  assert.equal(server.sent.length, 1)
  const state = world.ledger.model.state(world.alpha.num)
  assert.deepEqual([state.count('webhook'), state.count('delivery')], [0, 0])
  await join(world, 'b')
  await server.pass(MINUTE_MS, 10 * SECOND_MS)
  assert.equal(server.sent.length, 1)
  assert.deepEqual(server.failures, [])
})

test('a log stream has every entry since it was set up, numbers without a gap, whatever fails between', async () => {
  const world = await RestWorld.make()
  const server = await Server.start(world)
  const path = `${T}/logging/configuration/stream`
  const body = { destinationType: 'datadog', url: 'https://collector.test', token: 'tok', uploadPeriodMinutes: 2 }
  assert.equal((await world.ask('PUT', path, { server: true, body })).status, 200)
  let tries = 0
  server.answer = () => (tries++ % 3 === 1 ? GOOD : BAD)
  for (let i = 0; i < 40; i++) {
    await join(world, `n${i}`)
    await server.pass(20 * SECOND_MS, 10 * SECOND_MS)
  }
  server.answer = () => GOOD
  await server.pass(20 * MINUTE_MS, 10 * SECOND_MS)
  const got = server.sent
    .filter(({ answer }) => answer === GOOD)
    .flatMap(({ outgoing }) => JSON.parse(textOf(outgoing.body) as string) as { message: string }[])
    .map(({ message }) => JSON.parse(message))
  const { newest } = await world.ledger.logs.auditEnds(world.alpha.num)
  const rows = await world.ledger.logs.audit(world.alpha.num, 0, 10_000)
  const first = rows.findIndex(({ entry }) => entry.includes('LOGSTREAM_ENDPOINT'))
  assert.equal(got.length, newest.number - first)
  for (const [i, one] of got.entries()) {
    const { eventTime, eventGroupID, type, old, new: now, ...rest } = one
    const row = rows[first + i]
    const entry = JSON.parse(row?.entry ?? '')
    assert.deepEqual(
      { ...rest, ...(old === null ? {} : { old }), ...(now === null ? {} : { new: now }) },
      entry,
      `${eventTime} ${type}`,
    )
    assert.equal(eventGroupID, row?.group)
  }
  const good = server.sent.filter(({ answer }) => answer === GOOD).map(({ at }) => at)
  for (const [i, at] of good.entries())
    if (i > 0) assert.ok(at - (good[i - 1] as number) >= 2 * MINUTE_MS, 'its period')
  const status = await world.get(`${path}/status`)
  assert.equal(status.numEntriesSent, got.length)
  assert.equal(status.numTotalRequests, server.sent.length)
  assert.equal(status.numFailedRequests, server.sent.length - good.length)
  assert.ok(status.rateEntriesSent > 0 && status.lastError === '' && !status.lastActivity.startsWith('0001'))
  assert.deepEqual(server.failures, [])
})

test('entries that are no longer kept when they could be sent are counted, and the rest goes on', async () => {
  const world = await RestWorld.make()
  const server = await Server.start(world)
  const path = `${T}/logging/configuration/stream`
  const body = { destinationType: 'axiom', url: 'https://collector.test/x', token: 'tok' }
  await world.ask('PUT', path, { server: true, body })
  server.answer = () => BAD
  for (const name of ['a', 'b']) await join(world, name)
  await server.settle()
  world.clock.advance(10 * DAY_MS)
  await join(world, 'c')
  const before = (await world.ledger.logs.auditEnds(world.alpha.num)).newest.number
  await new MemoryStore(world.database).trimAudit(later(world.clock.wall(), -DAY_MS))
  server.answer = () => GOOD
  await server.pass(MINUTE_MS)
  const names = server.sent
    .filter(({ answer }) => answer === GOOD)
    .flatMap(({ outgoing }) =>
      (textOf(outgoing.body) as string).split('\n').map((line) => JSON.parse(line).target.name),
    )
  assert.deepEqual([...new Set(names)], ['c'])
  const record = world.ledger.model.state(world.alpha.num).get('delivery', 'logstream/configuration')
  assert.equal(record?.cursor, before)
  assert.equal(record?.leftOut, 11)
})

test('what can’t be sent says why, and begins when it is set right', async () => {
  const world = await RestWorld.make()
  const server = await Server.start(world)
  const path = `${T}/logging/configuration/stream`
  const set = async (body: unknown) => {
    const told = await world.ask('PUT', path, { server: true, body })
    assert.equal(told.status, 200, told.text)
    await server.settle()
  }
  await set({ destinationType: 'gcs', gcsBucket: 'b' })
  assert.match((await world.get(`${path}/status`)).lastError, /Google/)
  assert.equal(server.sent.length, 0)
  await set({ destinationType: 'splunk', url: 'https://collector.test', token: 'tok' })
  assert.equal(server.sent.length, 1)
  assert.equal((await world.get(`${path}/status`)).lastError, '')
})

test('a machine that says that it does not forward is known to since it first said so, until it says otherwise', async () => {
  const world = await World.start({})
  const router = await world.joined('router')
  const since = () => router.node.forwardingOff
  const off = { DebugFlags: ['warn-ip-forwarding-off'] }
  assert.equal(since(), undefined)
  await router.lite(off)
  const first = since()
  assert.equal(first, world.wall())
  await world.pass(MINUTE_MS)
  await router.lite(off)
  assert.equal(since(), first)
  await router.lite()
  assert.equal(since(), undefined)
  await router.lite(off)
  assert.ok((since() as number) > (first as number))
  world.coord.close()
})
