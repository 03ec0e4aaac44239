/** Posture attributes. (api-v2.md §4.1, checklist 17) */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HOUR_MS } from '../../base/clock.ts'
import { RestWorld } from '../../../test/support/rest-world.ts'

let world: RestWorld
const of = (which: 'laptop' | 'printer') => `/device/${world.alpha[which].stableId}/attributes`
const set = (key: string, body: unknown, which: 'laptop' | 'printer' = 'laptop') =>
  world.ask('POST', `${of(which)}/${key}`, { server: true, body })

/** Each test has a world of its own. */
function inWorld(name: string, run: () => Promise<void>): void {
  test(name, async () => {
    world = await RestWorld.make()
    await run()
  })
}

inWorld('what the client reports is there from the start', async () => {
  assert.deepEqual(await world.get(of('printer')), {
    attributes: {
      'node:os': 'linux',
      'node:tsVersion': '1.98.2',
      'node:tsReleaseTrack': 'stable',
    },
    expiries: {},
  })
})

inWorld('custom attributes of every type are set, replaced and removed', async () => {
  for (const [key, value] of [
    ['custom:text', 'a'],
    ['custom:number', 1.5],
    ['custom%3Aflag', false],
  ] as const)
    assert.equal((await set(key, { value, comment: 'why' })).status, 200)
  await set('custom:text', { value: 'b' })
  const { attributes } = await world.get(of('laptop'))
  assert.deepEqual(attributes, { 'custom:text': 'b', 'custom:number': 1.5, 'custom:flag': false })
  assert.equal((await world.ask('DELETE', `${of('laptop')}/custom:text`, { server: true })).status, 200)
  assert.equal((await world.ask('DELETE', `${of('laptop')}/custom:text`, { server: true })).status, 200)
  assert.ok(!('custom:text' in (await world.get(of('laptop'))).attributes))
})

inWorld('an attribute ends when its expiry says so', async () => {
  const told = await set('custom:pass', { value: true, expiry: '2026-01-02T04:04:05Z' })
  assert.deepEqual(told.body.expiries, { 'custom:pass': '2026-01-02T04:04:05Z' })
  world.clock.advance(HOUR_MS - 1)
  assert.equal((await world.get(of('laptop'))).attributes['custom:pass'], true)
  world.clock.advance(1)
  assert.deepEqual(await world.get(of('laptop')), { attributes: {}, expiries: {} })
  // What has ended binds nobody to its type any more.
  assert.equal((await set('custom:pass', { value: 'text' }, 'printer')).status, 200)
})

inWorld('a Go client that names no expiry sends year 1, which is none', async () => {
  const told = await set('custom:k', { value: 'v', expiry: '0001-01-01T00:00:00Z', comment: '' })
  assert.deepEqual([told.status, told.body.expiries], [200, {}])
})

inWorld('what is no attribute is refused', async () => {
  await set('custom:Colour', { value: 'red' })
  const rows = [
    { key: 'colour', body: { value: 1 }, message: /custom:/ },
    { key: 'node:os', body: { value: 'x' }, message: /custom:/ },
    { key: 'custom:', body: { value: 1 }, message: /custom:/ },
    { key: 'custom:a-b', body: { value: 1 }, message: /custom:/ },
    { key: 'custom:__proto__', body: { value: { a: 1 } }, message: /value/ },
    { key: `custom:${'a'.repeat(122)}`, body: { value: 1 }, message: /128/ },
    { key: 'custom:x', body: { value: null }, message: /value/ },
    { key: 'custom:x', body: {}, message: /value/ },
    { key: 'custom:x', body: { value: 'a'.repeat(513) }, message: /value/ },
    { key: 'custom:x', body: { value: 1, expiry: 'tomorrow' }, message: /expiry/ },
    { key: 'custom:x', body: { value: 1, expiry: '2026-01-02T03:04:05Z' }, message: /expiry/ },
    { key: 'custom:colour', body: { value: 'red' }, message: /case/ },
    { key: 'custom:Colour', body: { value: 1 }, message: /string/ },
  ]
  for (const which of ['laptop', 'printer'] as const)
    for (const { key, body, message } of rows) {
      if (which === 'laptop' && key === 'custom:Colour') continue
      const told = await set(key, body, which)
      assert.equal(told.status, 400, `${which} ${key}`)
      assert.match(told.body.message, message)
    }
  assert.deepEqual((await world.get(of('laptop'))).attributes, { 'custom:Colour': 'red' })
})

inWorld('one device has room for 64 of them', async () => {
  const attributes = Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`custom:a${i}`, { value: i }]))
  const patch = { nodes: { [world.alpha.laptop.stableId]: attributes } }
  assert.equal((await world.ask('PATCH', '/tailnet/-/device-attributes', { server: true, body: patch })).status, 200)
  assert.equal((await set('custom:b', { value: 1 })).status, 400)
  assert.equal((await set('custom:a0', { value: 100 })).status, 200)
})

inWorld('a batch is merged into what is there, null removes, and it answers null', async () => {
  await set('custom:old', { value: 1 })
  await set('custom:kept', { value: 2 })
  const { laptop, printer } = world.alpha
  const nodes = {
    [laptop.stableId]: { 'custom:old': null, 'custom:new': { value: 'x', expiry: '2026-01-03T00:00:00Z' } },
    [String(printer.id)]: { 'custom:new': { value: 'y' } },
  }
  const told = await world.ask('PATCH', '/tailnet/-/device-attributes', { server: true, body: { nodes, comment: 'c' } })
  assert.deepEqual([told.status, told.text], [200, 'null'])
  assert.deepEqual(await world.get(of('laptop')), {
    attributes: { 'custom:kept': 2, 'custom:new': 'x' },
    expiries: { 'custom:new': '2026-01-03T00:00:00Z' },
  })
  assert.equal((await world.get(of('printer'))).attributes['custom:new'], 'y')
})

inWorld('a batch happens whole or not at all', async () => {
  const { laptop, printer } = world.alpha
  const good = { 'custom:x': { value: 1 } }
  const rows = [
    { nodes: { [laptop.stableId]: good, nNobodyCNTRL: good }, message: /device not found/ },
    { nodes: { [laptop.stableId]: good, [world.beta.laptop.stableId]: good }, message: /device not found/ },
    { nodes: { [laptop.stableId]: good, [printer.stableId]: { bad: { value: 1 } } }, message: /custom:/ },
    { nodes: { [laptop.stableId]: good, [printer.stableId]: { 'custom:x': { value: 'text' } } }, message: /number/ },
    { nodes: { [laptop.stableId]: good, [String(laptop.id)]: good }, message: /twice/ },
  ]
  for (const { nodes, message } of rows) {
    const told = await world.ask('PATCH', '/tailnet/-/device-attributes', {
      token: world.alpha.tokens.admin,
      body: { nodes },
    })
    assert.equal(told.status, 400)
    assert.match(told.body.message, message)
    assert.deepEqual((await world.get(of('laptop'))).attributes, {})
  }
})

inWorld('attrConfig of the policy says of which type an attribute is, and how it is spelt', async () => {
  await set('custom:tier', { value: 'gold' }, 'printer')
  const attrConfig = {
    'custom:tier': { type: 'number' },
    'custom:flag': { type: 'bool' },
    'custom:name': { type: 'string' },
  }
  const policy = JSON.stringify({ attrConfig, grants: [] })
  assert.equal((await world.ask('POST', '/tailnet/-/acl', { server: true, body: policy })).status, 200)
  const rows = [
    { key: 'custom:tier', value: 'gold', says: /attrConfig says that "custom:tier" is a number$/ },
    { key: 'custom:flag', value: 1, says: /is a bool$/ },
    { key: 'custom:name', value: true, says: /is a string$/ },
    { key: 'custom:Name', value: 'x', says: /"custom:name" already/ },
    { key: 'custom:tier', value: 2 },
    { key: 'custom:flag', value: false },
    { key: 'custom:name', value: 'x' },
    { key: 'custom:other', value: 'x' },
  ]
  const { laptop } = world.alpha
  for (const { key, value, says } of rows) {
    const patch = { nodes: { [laptop.stableId]: { [key]: { value } } } }
    const batch = await world.ask('PATCH', '/tailnet/-/device-attributes', { server: true, body: patch })
    for (const told of [await set(key, { value }), batch]) {
      assert.equal(told.status, says === undefined ? 200 : 400, key)
      if (says !== undefined) assert.match(told.body.message, says)
    }
  }
  // What was there before stays, and may be put right.
  assert.equal((await set('custom:tier', { value: 1 }, 'printer')).status, 200)
})

inWorld('whoever has an attribute alone may change its type, and all who have it may together', async () => {
  const { laptop, printer } = world.alpha
  for (const value of ['a', 1, true]) assert.equal((await set('custom:x', { value })).status, 200)
  assert.match((await set('custom:x', { value: 1 }, 'printer')).body.message, /is a bool on other devices/)
  const both = (first: unknown, second: unknown) => ({
    nodes: {
      [laptop.stableId]: { 'custom:x': { value: first } },
      [printer.stableId]: { 'custom:x': { value: second } },
    },
  })
  const patch = (body: unknown) => world.ask('PATCH', '/tailnet/-/device-attributes', { server: true, body })
  assert.equal((await patch(both('a', 'b'))).status, 200)
  const mixed = await patch(both(1, 'b'))
  assert.match(mixed.body.message, /is a number elsewhere in this request/)
  assert.equal((await world.get(of('laptop'))).attributes['custom:x'], 'a')
})
