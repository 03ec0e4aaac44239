/** Where handshake messages go, for every state that a path and a relay may be in. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Mono } from '../base/clock.ts'
import { formatAddressPort } from '../base/ip.ts'
import type { NodeKey } from '../base/keys.ts'
import { directSource, HandshakeWays, relaySource } from './handshake-ways.ts'
import { addressOf } from './path/index.ts'
import type { Endpoint, Route } from './path/index.ts'

const PEER = `nodekey:${'ab'.repeat(32)}` as NodeKey
const [HERE, THERE, SOURCE] = ['192.0.2.1:1', '192.0.2.2:2', '[2001:db8::9]:9'] as readonly string[] as [
  Endpoint,
  Endpoint,
  Endpoint,
]
const NOW = 1000 as Mono

const DIRECT: Route = { kind: 'direct', endpoint: HERE }
const RELAY: Route = { kind: 'relay', region: 7 }
const BOTH: Route = { kind: 'both', endpoint: HERE, region: 7 }
const NONE: Route = { kind: 'none' }
const [BY_UDP, BY_RELAY] = [directSource(addressOf(SOURCE)), relaySource(8, PEER)]

/** What was done, in order. */
function scene({ route = RELAY, guesses = [HERE, THERE] as readonly Endpoint[], reaches = false, takes = true }) {
  const done: string[] = []
  const ways = new HandshakeWays(
    { route: () => route, guesses: () => guesses },
    { sendTo: (to) => done.push(formatAddressPort(to)) > 0 && takes },
    {
      sendRelay: (region) => void done.push(`relay ${region}`),
      reachesByRelay: () => reaches,
      dropped: (why) => void done.push(why),
    },
  )
  return { ways, done }
}

const rows = [
  { name: 'a trusted path', route: DIRECT, guesses: [], want: [HERE] },
  { name: 'a relay that is connected', route: RELAY, reaches: true, want: ['relay 7'] },
  { name: 'the same, and no answer', route: RELAY, reaches: true, isRepeated: true, want: [HERE, THERE, 'relay 7'] },
  { name: 'a relay that is not', route: RELAY, want: [HERE, THERE, 'relay 7'] },
  { name: 'a path in doubt, the relay connected', route: BOTH, reaches: true, want: [HERE, 'relay 7'] },
  { name: 'a path in doubt, the relay not', route: BOTH, want: [HERE, THERE, 'relay 7'] },
  { name: 'no path', route: NONE, want: [HERE, THERE] },
  { name: 'nothing at all', route: NONE, guesses: [], want: ['no path'] },
  { name: 'an answer, by relay', route: RELAY, answers: BY_UDP, want: [SOURCE, 'relay 7'] },
  { name: 'an answer, directly', route: DIRECT, answers: BY_UDP, want: [HERE, SOURCE] },
  {
    name: 'an answer to where it goes anyway',
    route: { ...DIRECT, endpoint: SOURCE },
    answers: BY_UDP,
    want: [SOURCE],
  },
  { name: 'an answer without a path', route: NONE, answers: BY_UDP, want: [SOURCE] },
  { name: 'an answer to what a relay brought', route: RELAY, answers: BY_RELAY, want: ['relay 7'] },
  { name: 'a socket that does not take it', route: DIRECT, guesses: [], takes: false, want: [HERE, 'send-failed'] },
]

test('a handshake message goes by its route, and where nothing says that this leads there, everywhere', () => {
  for (const { name, want, isRepeated, answers, ...given } of rows) {
    const { ways, done } = scene(given)
    const message = { kind: 'send', peer: PEER, bytes: new Uint8Array(1) } as const
    ways.send({ ...message, ...(isRepeated && { isRepeated }), ...(answers && { answers }) }, NOW)
    assert.deepEqual(done, want, name)
  }
})

test('a reply goes to exactly where the message came from', () => {
  for (const { to, want } of [
    { to: BY_UDP, want: [SOURCE] },
    { to: BY_RELAY, want: ['relay 8'] },
  ]) {
    const { ways, done } = scene({ route: BOTH })
    ways.reply(to, new Uint8Array(1))
    assert.deepEqual(done, want)
  }
})

test('whoever has one IPv6 address has its whole network', () => {
  const [one, other] = ['[2001:db8::1]:1', '[2001:db8::2]:1'].map((text) => directSource(addressOf(text as Endpoint)))
  assert.equal(one?.host, other?.host)
  assert.notEqual(one?.host, directSource(addressOf(HERE)).host)
})
