/** Lists that write the same, found again as nodes change. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Access } from './access.ts'
import { AlikeLists } from './alike.ts'
import type { Policy, Selector } from './policy.ts'
import { Routes } from './routes.ts'
import { Selection } from './selection.ts'
import type { PolicyNode } from './tailnet.ts'

const at = { line: 1, column: 1 }
const tag = (name: string): Selector => ({ kind: 'tag', tag: `tag:${name}`, text: `tag:${name}`, at })
const node = (slot: number, ...tags: string[]): PolicyNode => ({
  slot,
  id: slot + 1,
  user: { id: 1, login: 'a@example.com', role: 'member' },
  tags: tags.map((name) => `tag:${name}`),
  ipv4: { family: 4, value: 0x64400001n + BigInt(slot) },
  ipv6: { family: 6, value: 0xfd7a115ca1e000000000000000000001n + BigInt(slot) },
  routes: [],
  online: true,
  attributes: new Map(),
})

test('lists are alike while they write the same nodes, whatever they are made of', () => {
  const policy = { groups: new Map(), ipsets: new Map() } as unknown as Policy
  const selection = new Selection(policy)
  const access = new Access(selection, new Routes())
  const [a, b, both] = [[tag('a')], [tag('b')], [tag('a'), tag('b')]].map((list) => access.sources(list, []))
  assert.ok(a !== undefined && b !== undefined && both !== undefined)
  const alike = new AlikeLists()
  for (const list of [a, b, both]) alike.reconsider(list)
  const set = (slot: number, after: PolicyNode | undefined): void => {
    for (const list of access.set(slot, after).lists) alike.reconsider(list)
  }
  const groups = (): string =>
    [a, b, both].map((list) => [a, b, both].indexOf([...alike.of(list).lists].sort(byPlace)[0] ?? a)).join()
  const byPlace = (x: object, y: object): number => [a, b, both].indexOf(x as never) - [a, b, both].indexOf(y as never)

  const steps = [
    { slot: 0, tags: undefined, groups: '0,0,0', why: 'all are empty' },
    { slot: 0, tags: ['a'], groups: '0,1,0', why: 'both has what a has' },
    { slot: 0, tags: ['a', 'b'], groups: '0,0,0', why: 'one node, three lists' },
    { slot: 999, tags: ['b'], groups: '0,1,1', why: 'both has what b has' },
    { slot: 1, tags: ['a'], groups: '0,1,2', why: 'each has something else' },
    { slot: 999, tags: undefined, groups: '0,1,0', why: 'b alone has one less' },
  ]
  for (const { slot, tags, groups: want, why } of steps) {
    set(slot, tags === undefined ? undefined : node(slot, ...tags))
    assert.equal(groups(), want, why)
  }
  assert.equal(alike.writing([0, 1]), alike.of(a))
  assert.equal(alike.writing([0]), alike.of(b))
  assert.equal(alike.writing([1]), undefined)
})
