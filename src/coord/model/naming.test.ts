import { test } from 'node:test'
import assert from 'node:assert/strict'
import { TailnetState } from './model.ts'
import { followsHostname, freeName, labelFor, nameFault } from './naming.ts'

const labels = [
  { hostname: 'Laptop.local', want: 'laptop' },
  { hostname: '', want: 'node' },
  { hostname: '12345', want: 'node-12345' },
  { hostname: '12345.lan', want: 'node-12345' },
  { hostname: '0', want: 'node-0' },
  { hostname: '12345a', want: '12345a' },
  { hostname: '12-345', want: '12-345' },
  { hostname: '1'.repeat(63), want: `node-${'1'.repeat(58)}` },
]
for (const { hostname, want } of labels)
  test(`the host name "${hostname}" asks for "${want}", and keeps it`, () => {
    assert.equal(labelFor(hostname), want)
    assert.ok(followsHostname({ name: want }, hostname))
  })

test('a name that is a mere number gives way to one that is not, at the next report', () => {
  assert.equal(followsHostname({ name: '12345' }, '12345'), false)
})

test('of two machines whose host name is the same number, the second gets a suffix', () => {
  const state = new TailnetState(1)
  state.put({ kind: 'name', id: 'node-12345', value: { node: 1 } }, 1)
  assert.equal(freeName(state, labelFor('12345'), 2), 'node-12345-1')
})

const faults = [
  { label: 'web', want: undefined },
  { label: '1a', want: undefined },
  { label: '1-2', want: undefined },
  { label: '12345', want: /at least one letter.*"12345"/ },
  { label: '', want: /letters, digits and inner hyphens/ },
  { label: 'a.b', want: /alone or before \.home\.example/ },
  { label: '-a', want: /inner hyphens/ },
]
for (const { label, want } of faults)
  test(`${want === undefined ? 'a node may' : 'no node may'} be called "${label}"`, () => {
    const fault = nameFault(label, 'home.example')
    if (want === undefined) assert.equal(fault, undefined)
    else assert.match(fault ?? '', want)
  })
