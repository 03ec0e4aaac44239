/** Long work comes in steps: whatever is long in a text, whoever reads it stops after so many of its values. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkParsedInSteps, checkPolicy, parsePolicyInSteps } from './document/index.ts'
import { format, formatInSteps, minimize, minimizeInSteps, parse, parseInSteps } from './hujson/index.ts'
import { finish, mapped, Pace } from './steps.ts'
import type { Steps } from './steps.ts'

const COUNT = 8000
/** As many values as any of them takes in one step; what is done for them besides may make steps shorter. */
const MOST_VALUES_PER_STEP = 5000

function many(make: (n: number) => string, between = ','): string {
  return Array.from({ length: COUNT }, (_, n) => make(n)).join(between)
}

const NAMES = '"tagOwners": {"tag:a": []}, "postures": {"posture:p": ["node:os == \'linux\'"]},'
const SIDES = '"src": ["*"], "dst": ["tag:a"]'

/** Policies of which one part is long. */
const POLICIES = {
  grants: `{${NAMES} "grants": [${many(() => `{${SIDES}, "ip": ["*"]}`)}]}`,
  'the sources of a grant': `{${NAMES} "grants": [{"src": [${many((n) => `"u${n}@example.com"`)}], "dst": ["*"], "ip": ["*"]}]}`,
  'the destinations of a grant': `{${NAMES} "grants": [{"src": ["*"], "dst": [${many(() => '"tag:a"')}], "ip": ["*"]}]}`,
  'the ports of a grant': `{${NAMES} "grants": [{${SIDES}, "ip": [${many((n) => `"${n + 1}"`)}]}]}`,
  'the routers of a grant': `{${NAMES} "grants": [{${SIDES}, "ip": ["*"], "via": [${many(() => '"tag:a"')}]}]}`,
  'the postures of a grant': `{${NAMES} "grants": [{${SIDES}, "ip": ["*"], "srcPosture": [${many(() => '"posture:p"')}]}]}`,
  'the capabilities of a grant': `{${NAMES} "grants": [{${SIDES}, "app": {${many((n) => `"example.com/c${n}": []`)}}}]}`,
  'a value of a capability': `{${NAMES} "grants": [{${SIDES}, "app": {"example.com/c": [[${many((n) => `{"a": ${n}}`)}]]}}]}`,
  acls: `{"acls": [${many(() => '{"action": "accept", "src": ["*"], "dst": ["*:*"]}')}]}`,
  'the sources of an ACL': `{"acls": [{"action": "accept", "src": [${many(() => '"*"')}], "dst": ["*:*"]}]}`,
  'the destinations of an ACL': `{"acls": [{"action": "accept", "src": ["*"], "dst": [${many(() => '"*:22"')}]}]}`,
  'the ports of a destination': `{"acls": [{"action": "accept", "src": ["*"], "dst": ["*:${many((n) => String(n + 1))}"]}]}`,
  'SSH rules': `{${NAMES} "ssh": [${many(() => '{"action": "accept", "src": ["tag:a"], "dst": ["tag:a"], "users": ["root"]}')}]}`,
  'the accounts of an SSH rule': `{${NAMES} "ssh": [{"action": "accept", "src": ["tag:a"], "dst": ["tag:a"], "users": [${many((n) => `"u${n}"`)}]}]}`,
  'the variables of an SSH rule': `{${NAMES} "ssh": [{"action": "accept", "src": ["tag:a"], "dst": ["tag:a"], "users": ["root"], "acceptEnv": [${many((n) => `"V${n}"`)}]}]}`,
  groups: `{"groups": {${many((n) => `"group:g${n}": []`)}}}`,
  'the members of a group': `{"groups": {"group:g": [${many((n) => `"u${n}@example.com"`)}]}}`,
  hosts: `{"hosts": {${many((n) => `"h${n}": "10.0.0.1"`)}}}`,
  tags: `{"tagOwners": {${many((n) => `"tag:t${n}": []`)}}}`,
  'the owners of a tag': `{"tagOwners": {"tag:t": [${many((n) => `"u${n}@example.com"`)}]}}`,
  ipsets: `{"ipsets": {${many((n) => `"ipset:s${n}": ["10.0.0.1"]`)}}}`,
  'the steps of an ipset': `{"ipsets": {"ipset:s": [${many(() => '"10.0.0.1"')}]}}`,
  postures: `{"postures": {${many((n) => `"posture:p${n}": ["node:os IS SET"]`)}}}`,
  'the assertions of a posture': `{"postures": {"posture:p": [${many(() => '"node:os IS SET"')}]}}`,
  'the values of an assertion': `{"postures": {"posture:p": ["node:os IN [${many((n) => `'v${n}'`)}]"]}}`,
  attributes: `{"attrConfig": {${many((n) => `"custom:a${n}": {"type": "bool"}`)}}}`,
  'node attributes': `{"nodeAttrs": [${many(() => '{"target": ["*"], "attr": ["a"]}')}]}`,
  'the targets of an attribute': `{"nodeAttrs": [{"target": [${many(() => '"*"')}], "attr": ["a"]}]}`,
  'the pools of an attribute': `{"nodeAttrs": [{"target": ["*"], "ipPool": [${many(() => '"100.81.0.0/16"')}]}]}`,
  'app connectors': `{"nodeAttrs": [{"target": ["*"], "app": {"tailscale.com/app-connectors": [${many(() => '{"domains": ["a.example"]}')}]}}]}`,
  'routes that are approved': `{"autoApprovers": {"routes": {${many((n) => `"10.${n >> 8}.${n & 255}.0/24": []`)}}}}`,
  'services that are approved': `{"autoApprovers": {"services": {${many((n) => `"svc:s${n}": []`)}}}}`,
  'approvers of exit nodes': `{"autoApprovers": {"exitNode": [${many((n) => `"u${n}@example.com"`)}]}}`,
  'relay regions': `{"derpMap": {"regions": {${many((n) => `"${n + 1}": null`)}}}}`,
  'relays of a region': `{"derpMap": {"regions": {"1": {"nodes": [${many(() => '{"name": "a", "hostName": "b"}')}]}}}}`,
  tests: `{"tests": [${many(() => '{"src": "a@example.com"}')}]}`,
  'what a test accepts': `{"tests": [{"src": "a@example.com", "accept": [${many(() => '"10.0.0.1:22"')}]}]}`,
  'SSH tests': `{"sshTests": [${many(() => '{"src": "a@example.com"}')}]}`,
  'the targets of an SSH test': `{"sshTests": [{"src": "a@example.com", "dst": [${many(() => '"a@example.com"')}]}]}`,
} as const

const KNOWN = { domains: new Set(['example.com']), logins: new Set<string>() }

test('a policy is checked in steps, whatever in it is long', () => {
  for (const [what, text] of Object.entries(POLICIES)) {
    const parsed = finish(parsePolicyInSteps(text))
    inSteps(`checking ${what}`, checkParsedInSteps(parsed, KNOWN))
  }
})

test('in steps or at once, it is the same', () => {
  const text = POLICIES['the members of a group']
  assert.deepEqual(finish(checkParsedInSteps(finish(parsePolicyInSteps(text)), KNOWN)), checkPolicy(text, KNOWN))
})

test('HuJSON is read and written in steps, whatever in it is long', () => {
  const texts = {
    'a list': `[${many(String)}]`,
    'a list of lists': `[${many(() => '[]')}]`,
    'an object': `{${many((n) => `"${n}": 1`)}}`,
    'an object with a line for each': `{${many((n) => `\n"${n}": 1 // ${n}\n`)}}`,
  }
  for (const [what, text] of Object.entries(texts)) {
    const tree = inSteps(`reading ${what}`, parseInSteps(text))
    assert.deepEqual(tree, parse(text))
    assert.equal(inSteps(`formatting ${what}`, formatInSteps(tree)), format(tree))
    assert.equal(inSteps(`minimizing ${what}`, minimizeInSteps(tree)), minimize(tree))
  }
})

test('a pace tells when so much is done, however it was counted', () => {
  const pace = new Pace(4)
  assert.deepEqual(
    [1, 2, 1, 3, 9].map((work) => pace.spent(work)),
    [false, false, true, false, true],
  )
  pace.add(7)
  assert.equal(pace.spent(0), true)
  assert.deepEqual(finish(mapped(['a', 'b'], new Pace(1), (text, index) => text + index)), ['a0', 'b1'])
})

/** Takes all the steps; there have to be enough of them. */
function inSteps<T>(what: string, steps: Steps<T>): T {
  let count = 1
  let step = steps.next()
  for (; step.done !== true; step = steps.next()) count++
  assert.ok(count >= COUNT / MOST_VALUES_PER_STEP, `${what}: ${count} steps`)
  return step.value
}
