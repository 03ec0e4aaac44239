import assert from 'node:assert/strict'
import { test } from 'node:test'
import { captureLines, readCapture } from './capture.ts'
import type { Capture } from './capture.ts'
import { compare } from './compare.ts'
import { grantedTo } from './granted.ts'
import type { Outcome } from './observe.ts'

const LINES = [...captureLines(new URL('../vectors/policy', import.meta.url).pathname)]
/** Captures that each alteration is tried on: as many as show what it alters, up to this. */
const TRIED = 12

/** What a server would show that does exactly as the recorded one did. */
function asRecorded({ status, message = '', shown }: Capture): Outcome {
  return status === 200 ? { nodes: shown } : { refused: { status, message }, nodes: shown }
}

test('every capture is read, and differs in nothing from what it shows; what peers are granted follows from it', () => {
  assert.ok(LINES.length > 400)
  let granted = 0
  for (const line of LINES) {
    const capture = readCapture(line)
    const nodes = new Map(
      [...capture.shown].map(([name, shown]) => {
        const caps = grantedTo(shown.self ?? {}, shown.peers ?? [], shown.packet_filter_rules ?? [])
        granted += Object.keys(caps).length
        return [name, { ...shown, peer_caps: caps }]
      }),
    )
    assert.deepEqual(compare(capture, { ...asRecorded(capture), nodes }, []), [])
  }
  assert.ok(granted > 1000)
})

/** A part of a capture as it stands in the file. */
type Json = any

interface Alteration {
  readonly name: string
  /** Alters one thing, of the client if there is one to be altered, in place. False: there is no such thing here. */
  readonly alter: (node: Json, capture: Json) => boolean
}

const NOWHERE = { SrcIPs: ['192.0.2.1'], DstPorts: [{ IP: '*', Ports: { First: 0, Last: 65535 } }] }

const ALTERATIONS: readonly Alteration[] = [
  { name: 'a rule is missing', alter: (node) => on(node.packet_filter_rules, (rules) => rules.pop()) },
  { name: 'a rule is there twice', alter: (node) => on(node.packet_filter_rules, (rules) => rules.push(rules[0])) },
  { name: 'rules change places', alter: (node) => on(several(node.packet_filter_rules), (rules) => rules.reverse()) },
  {
    name: 'a rule comes from nowhere',
    alter: (node) => on([node], () => (node.packet_filter_rules = [...(node.packet_filter_rules ?? []), NOWHERE])),
  },
  { name: 'a source is missing', alter: (node) => on(ruleWith(node, 'SrcIPs'), ([rule]) => rule.SrcIPs.pop()) },
  {
    name: 'a source is added',
    alter: (node) => on(ruleWith(node, 'SrcIPs'), ([rule]) => rule.SrcIPs.push('192.0.2.1')),
  },
  {
    name: 'a port is another',
    alter: (node) => on(ruleWith(node, 'DstPorts'), ([rule]) => rule.DstPorts[0].Ports.Last++),
  },
  {
    name: 'a destination is another',
    alter: (node) => on(ruleWith(node, 'DstPorts'), ([rule]) => (rule.DstPorts[0].IP = '192.0.2.1')),
  },
  {
    name: 'destinations change places',
    alter: (node) => on(several(ruleWith(node, 'DstPorts')?.[0].DstPorts), (ports) => ports.reverse()),
  },
  { name: 'a protocol is added', alter: (node) => on(ruleWith(node, 'DstPorts'), ([rule]) => (rule.IPProto = [99])) },
  { name: 'a protocol is missing', alter: (node) => on(ruleWith(node, 'IPProto'), ([rule]) => delete rule.IPProto) },
  {
    name: 'a capability is granted to another place',
    alter: (node) => on(ruleWith(node, 'CapGrant'), ([rule]) => (rule.CapGrant[0].Dsts[0] = '192.0.2.1/32')),
  },
  {
    name: 'a capability has another value',
    alter: (node) => on(ruleWith(node, 'CapGrant'), ([rule]) => setFirst(rule.CapGrant[0].CapMap, [{ altered: 1 }])),
  },
  {
    name: 'a granted capability is missing',
    alter: (node) => on(ruleWith(node, 'CapGrant'), ([rule]) => dropFirst(rule.CapGrant[0].CapMap)),
  },

  { name: 'a peer is missing', alter: (node) => on(node.peers, (peers) => peers.pop()) },
  {
    name: 'a peer is added',
    alter: (node) => on([node.self], ([self]) => node.peers.push({ ...self, Name: self.Name.replace(/^/, 'other-') })),
  },
  { name: 'a peer is there twice', alter: (node) => on(node.peers, (peers) => peers.push(peers[0])) },
  {
    name: 'a peer has another address',
    alter: (node) => on(node.peers, ([peer]) => (peer.Addresses[0] = '192.0.2.1/32')),
  },
  {
    name: 'a peer routes something more',
    alter: (node) => on(node.peers, ([peer]) => peer.AllowedIPs.push('192.0.2.0/24')),
  },
  { name: 'a peer is not reached', alter: (node) => on(node.peers, ([peer]) => peer.AllowedIPs.pop()) },
  {
    name: 'a peer is primary for something more',
    alter: (node) => on(node.peers, ([peer]) => (peer.PrimaryRoutes = ['192.0.2.0/24'])),
  },
  {
    name: 'a peer is not primary',
    alter: (node) => on(having(node.peers, 'PrimaryRoutes'), ([peer]) => delete peer.PrimaryRoutes),
  },
  {
    name: 'a peer has another tag',
    alter: (node) => on(having(node.peers, 'Tags'), ([peer]) => (peer.Tags[0] = 'tag:other')),
  },
  { name: 'a peer is tagged', alter: (node) => on(node.peers, ([peer]) => (peer.Tags = ['tag:a', 'tag:other'])) },
  { name: 'a peer is somebody else’s', alter: (node) => on(others(node), ([peer]) => (peer.User = node.self.User)) },
  { name: 'a peer has a capability', alter: (node) => on(node.peers, ([peer]) => (peer.CapMap = { other: null })) },
  {
    name: 'a peer lacks a capability',
    alter: (node) => on(having(node.peers, 'CapMap'), ([peer]) => dropFirst(peer.CapMap)),
  },
  {
    name: 'a peer is called something else',
    alter: (node) => on(node.peers, ([peer]) => (peer.Name = `x${peer.Name}`)),
  },

  { name: 'it is called something else for short', alter: (node) => on([node.self], ([self]) => (self.name += 'x')) },
  { name: 'it is called something else', alter: (node) => on([node.self], ([self]) => (self.Name = `x${self.Name}`)) },
  {
    name: 'it has another address',
    alter: (node) => on([node.self], ([self]) => (self.Addresses[1] = '2001:db8::1/128')),
  },
  {
    name: 'it routes something more',
    alter: (node) => on([node.self], ([self]) => self.AllowedIPs.push('192.0.2.0/24')),
  },
  {
    name: 'it is not primary',
    alter: (node) => on(having([node.self], 'PrimaryRoutes'), ([self]) => delete self.PrimaryRoutes),
  },
  {
    name: 'it has another tag',
    alter: (node) => on(having([node.self], 'Tags'), ([self]) => self.Tags.push('tag:other')),
  },
  { name: 'it has a capability more', alter: (node) => on([node.self], ([self]) => (self.CapMap.other = null)) },
  { name: 'it lacks a capability', alter: (node) => on([node.self], ([self]) => delete self.CapMap['ssh-env-vars']) },
  {
    name: 'a capability of its has a value',
    alter: (node) => on([node.self], ([self]) => (self.CapMap['ssh-env-vars'] = [1])),
  },
  {
    name: 'it updates itself by another setting',
    alter: ({ self }) =>
      on(having([self.CapMap], 'default-auto-update'), ([caps]) => (caps['default-auto-update'] = [1])),
  },

  { name: 'a rule for SSH is missing', alter: (node) => on(node.ssh_policy.rules, (rules) => rules.pop()) },
  { name: 'a rule for SSH is missing from one place', alter: (node) => on(node.ssh_rules, (rules) => rules.pop()) },
  { name: 'rules for SSH change places', alter: (node) => on(several(node.ssh_rules), (rules) => rules.reverse()) },
  { name: 'a principal is missing', alter: (node) => on(node.ssh_policy.rules, ([rule]) => rule.principals.pop()) },
  {
    name: 'a principal is there once more',
    alter: (node) => on(node.ssh_rules, ([rule]) => rule.principals.push(rule.principals[0])),
  },
  {
    name: 'an account is added',
    alter: (node) => on(node.ssh_policy.rules, ([rule]) => (rule.sshUsers.other = 'other')),
  },
  { name: 'an account is another', alter: (node) => on(node.ssh_rules, ([rule]) => setFirst(rule.sshUsers, 'other')) },
  { name: 'an action lacks something', alter: (node) => on(node.ssh_policy.rules, ([rule]) => dropFirst(rule.action)) },
  { name: 'a variable is let through', alter: (node) => on(node.ssh_rules, ([rule]) => (rule.acceptEnv = ['OTHER'])) },

  { name: 'a profile is missing', alter: (node) => on([node.user_profiles], ([profiles]) => dropFirst(profiles)) },
  {
    name: 'a profile is added',
    alter: (node) =>
      on([node.user_profiles], ([all]) => (all['1'] = { ID: 1, LoginName: 'a@b.example', DisplayName: 'a' })),
  },
  {
    name: 'a user has another login name',
    alter: (node) => on(Object.values(node.user_profiles), ([profile]) => (profile.LoginName = 'a@b.example')),
  },
  {
    name: 'a user is called something else',
    alter: (node) => on(Object.values(node.user_profiles), ([profile]) => (profile.DisplayName = 'somebody')),
  },
  {
    name: 'a peer is granted less',
    alter: (node) => on(node.peer_caps && [node.peer_caps], ([caps]) => dropFirst(caps)),
  },
  {
    name: 'a peer is granted something else',
    alter: (node) => on(node.peer_caps && Object.values(node.peer_caps), ([caps]) => setFirst(caps, [{ altered: 1 }])),
  },
  { name: 'a search domain is added', alter: (node) => on([node.dns], ([dns]) => (dns.Domains = ['other.example'])) },
  { name: 'names are answered', alter: (node) => on([node.dns], ([dns]) => (dns.Proxied = dns.Proxied !== true)) },

  { name: 'the answer has another status', alter: (_, capture) => on([capture], () => (capture.response_code += 11)) },
  {
    name: 'the answer has another message',
    alter: (_, capture) => on(capture.response_body && [capture.response_body], ([body]) => (body.message += '.')),
  },
  {
    name: 'the answer has no message',
    alter: (_, capture) => on(capture.response_body && [capture], () => (capture.response_body = {})),
  },
  {
    name: 'the answer has a message',
    alter: (_, capture) => on(!capture.response_body && [capture], () => (capture.response_body = { message: 'no' })),
  },
  { name: 'nothing was shown', alter: (_, capture) => on([capture], () => (capture.nodes = {})) },
]

function on(things: Json, alter: (things: Json) => void): boolean {
  if (!things || things.length === 0 || things[0] === undefined) return false
  alter(things)
  return true
}
/** The list, if a change of its order shows. */
function several(list: Json): Json {
  return list && JSON.stringify(list[0]) !== JSON.stringify(list.at(-1)) ? list : undefined
}
function having(list: Json, member: string): Json {
  return list?.filter((thing: Json) => thing[member] !== undefined)
}
function ruleWith(node: Json, member: string): Json {
  const rules = node.packet_filter_rules?.filter((rule: Json) => rule[member]?.length > 0)
  return rules?.length > 0 ? rules : undefined
}
function others(node: Json): Json {
  return node.peers.filter((peer: Json) => peer.User !== node.self.User)
}
function dropFirst(object: Json): void {
  delete object[Object.keys(object)[0] as string]
}
function setFirst(object: Json, value: Json): void {
  object[Object.keys(object)[0] as string] = value
}

/** Parsed once; one that was altered is parsed anew. */
const recorded = new Map<string, Json>()
/** What servers would show, of the captures that were altered: read once. */
const outcomes = new Map<string, Outcome>()
function outcomeOf(line: string): Outcome {
  const outcome = outcomes.get(line) ?? asRecorded(readCapture(line))
  outcomes.set(line, outcome)
  return outcome
}

for (const { name, alter } of ALTERATIONS)
  test(`an altered capture is found out: ${name}`, () => {
    let altered = 0
    for (const line of LINES) {
      const capture = recorded.get(line) ?? JSON.parse(line)
      recorded.set(line, capture)
      if (!Object.values(capture.nodes).some((node) => alter(node, capture))) continue
      recorded.delete(line)
      assert.notDeepEqual(compare(readCapture(JSON.stringify(capture)), outcomeOf(line), []), [], capture.id)
      if (++altered === TRIED) break
    }
    assert.ok(altered > 0, 'no capture has such a thing')
  })

test('an exception covers what it names, of the capture that it names', () => {
  const [line] = LINES as [string]
  const capture = JSON.parse(line) as Json
  const [node] = Object.keys(capture.nodes) as [string]
  capture.nodes[node].self.Name = 'x.'
  const altered = readCapture(JSON.stringify(capture))
  const why = 'a test'
  const differ = (exception: object) =>
    compare(altered, outcomeOf(line), [{ why, id: altered.id, ...exception }]).length
  assert.equal(differ({}), 0)
  assert.equal(differ({ node, what: /^self Name$/ }), 0)
  assert.equal(differ({ what: /^self Tags$/ }), 1)
  assert.equal(differ({ node: 'another' }), 1)
  assert.equal(differ({ id: 'another' }), 1)
})
