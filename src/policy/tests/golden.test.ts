/** What the hosted service made of tests: every recorded policy with tests has its status and message here. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { parseIp, prefix } from '../../base/ip.ts'
import { checkPolicy, PolicyRefusal } from '../document/index.ts'
import type { PolicyNode, PolicyTailnet, PolicyUser } from '../tailnet.ts'
import { runTests, TESTS_FAILED } from './index.ts'

interface Capture {
  readonly id: string
  readonly policy: unknown
  readonly response_code: number
  readonly response_body?: { readonly message?: string } | null
  readonly topology: {
    readonly users: readonly { readonly id: number; readonly name: string; readonly email: string }[]
    readonly nodes: Readonly<Record<string, RecordedNode>>
  }
}
interface RecordedNode {
  readonly user?: string
  readonly tags: readonly string[]
  readonly ipv4: string
  readonly ipv6: string
  readonly approved_routes: readonly string[]
}

const captures = ['policytest', 'sshtest'].flatMap((name) => {
  const file = new URL(`../../../test/vectors/policy/${name}.jsonl.gz`, import.meta.url)
  return gunzipSync(readFileSync(file))
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Capture)
})

function tailnetOf({ users, nodes }: Capture['topology']): PolicyTailnet {
  const people = users.map(({ id, email }): PolicyUser => ({ id, login: email, role: id === 1 ? 'owner' : 'member' }))
  const machines = Object.values(nodes).map((node, slot): PolicyNode => {
    const [ipv4, ipv6] = [parseIp(node.ipv4), parseIp(node.ipv6)]
    const user = people[users.findIndex(({ name }) => name === node.user)] ?? people[0]
    assert.ok(ipv4 !== undefined && ipv6 !== undefined && user !== undefined)
    const routes = node.approved_routes.map(prefix)
    return { slot, id: slot + 1, user, tags: node.tags, ipv4, ipv6, routes, online: true, attributes: new Map() }
  })
  return { users: people, nodes: machines }
}

function answer({ policy, topology }: Pick<Capture, 'policy' | 'topology'>): string {
  const tailnet = tailnetOf(topology)
  const logins = new Set(tailnet.users.map(({ login }) => login))
  const domains = new Set([...logins].map((login) => login.slice(login.indexOf('@') + 1)))
  try {
    const text = typeof policy === 'string' ? policy : JSON.stringify(policy)
    return runTests(checkPolicy(text, { domains, logins }), tailnet).length > 0 ? `400 ${TESTS_FAILED}` : '200 '
  } catch (error) {
    if (!(error instanceof PolicyRefusal)) throw error
    return `${error.status} ${error.message}`
  }
}

test('every recorded policy with tests is taken or refused as the hosted service did', () => {
  assert.equal(captures.length, 44)
  for (const capture of captures)
    assert.equal(answer(capture), `${capture.response_code} ${capture.response_body?.message ?? ''}`, capture.id)
})

/** What a test denies instead of accepting, or the other way round, holds when it did not, where a rule decides. */
test('recorded tests that hold fail when they want the opposite', () => {
  let turned = 0
  for (const capture of captures) {
    if (capture.response_code !== 200 || typeof capture.policy !== 'object') continue
    const policy = structuredClone(capture.policy) as Record<string, Record<string, unknown>[] | undefined>
    for (const one of [...(policy['tests'] ?? []), ...(policy['sshTests'] ?? [])]) {
      const { accept, check, deny, ...rest } = one
      const opposite = { ...rest, ...(deny === undefined ? {} : { accept: deny }), deny: accept ?? check ?? [] }
      Object.assign(one, { accept: undefined, check: undefined }, opposite)
    }
    assert.equal(answer({ ...capture, policy }), `400 ${TESTS_FAILED}`, capture.id)
    turned++
  }
  assert.ok(turned > 10, `only ${turned} of the recorded tests hold`)
})
