/** Reports against asking about every pair and port, and against the policy without what is called redundant. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { diff } from '../../src/policy/diff/index.ts'
import { Engine } from '../../src/policy/engine.ts'
import { report, reportLines } from '../../src/policy/report/index.ts'
import { allowing } from '../../src/policy/verdict.ts'
import { policies } from './generate-policy.ts'
import { tailnets } from './generate.ts'
import { runs } from './runs.ts'
import { say } from './say.ts'

/** Every port at which some generated rule begins or ends, with how many ports are like it. */
const PORTS = [
  { port: 0, like: 1 },
  { port: 1, like: 21 },
  { port: 22, like: 1 },
  { port: 23, like: 57 },
  { port: 80, like: 364 },
  { port: 444, like: 65_535 - 443 },
] as const

test('pairs and ports: as many as filters let pass, and whoever reaches the most', () => {
  fc.assert(
    fc.property(policies(3), tailnets(5), (policy, tailnet) => {
      const engine = new Engine(policy, tailnet.nodes, tailnet)
      const { reach } = report(engine, tailnet)
      const reached = new Map<string, Set<number>>()
      let [openPairs, ports] = [0, 0]
      for (const a of tailnet.nodes)
        for (const b of tailnet.nodes) {
          if (a === b) continue
          const passes = (protocol: number, port: number): boolean =>
            allowing(engine.access, b, { from: a.ipv4, to: b.ipv4, protocol, port }).length > 0
          for (const protocol of [6, 17]) for (const { port, like } of PORTS) if (passes(protocol, port)) ports += like
          // ICMP passes wherever something else does.
          if (!passes(1, 0)) continue
          openPairs++
          if (a.tags.length > 0) continue
          reached.set(a.user.login, (reached.get(a.user.login) ?? new Set()).add(b.slot))
        }
      const pairs = tailnet.nodes.length * (tailnet.nodes.length - 1)
      const want = {
        pairs,
        openPairs,
        portShare: pairs === 0 ? 0 : ports / (pairs * 2 * 65_536),
        widest: [...reached]
          .map(([login, nodes]) => ({ login, nodes: nodes.size }))
          .sort((x, y) => y.nodes - x.nodes || (x.login < y.login ? -1 : 1)),
        complete: true,
      }
      const round = (share: number): number => Math.round(share * 1e12)
      if (
        JSON.stringify({ ...reach, portShare: 0 }) !== JSON.stringify({ ...want, portShare: 0 }) ||
        round(reach.portShare) !== round(want.portShare)
      )
        assert.fail(say(policy, tailnet, { want, reach }))
    }),
    runs(150),
  )
})

test('without the rules that are called redundant, nothing is otherwise', () => {
  let found = 0
  fc.assert(
    fc.property(policies(6), tailnets(5), (policy, tailnet) => {
      const engine = new Engine(policy, tailnet.nodes, tailnet)
      const { redundant } = report(engine, tailnet)
      if (redundant.length === 0) return
      found += redundant.length
      const isLeft = ({ index }: { readonly index: number }): boolean =>
        !redundant.some(({ rule }) => rule.index === index)
      for (const { rule, by } of redundant)
        assert.ok(by.length > 0 && by.every(isLeft), `${rule.index} is covered by what is left`)
      const less = { ...policy, rules: policy.rules.filter(isLeft) }
      const change = diff(engine, new Engine(less, tailnet.nodes, tailnet))
      if (change.flows.length + change.routes.length + change.sight.length > 0)
        assert.fail(say(policy, tailnet, { redundant, change }))
    }),
    runs(300),
  )
  assert.ok(found > 0)
})

test('without the rules that are called unreachable, no filter is otherwise', () => {
  let found = 0
  fc.assert(
    fc.property(policies(4), tailnets(4), (policy, tailnet) => {
      const engine = new Engine(policy, tailnet.nodes, tailnet)
      const { unreachable } = report(engine, tailnet)
      const lines = reportLines(report(engine, tailnet))
      assert.ok(lines.length >= 3)
      if (policy.allowAll) return
      const dead = unreachable.filter(({ rule }) => rule.kind !== 'ssh')
      found += dead.length
      const less = {
        ...policy,
        rules: policy.rules.filter((rule) => !dead.some((one) => one.rule.index === rule.index)),
      }
      const change = diff(engine, new Engine(less, tailnet.nodes, tailnet))
      if (change.flows.length + change.sight.length > 0) assert.fail(say(policy, tailnet, { dead, change }))
    }),
    runs(150),
  )
  assert.ok(found > 0)
})
