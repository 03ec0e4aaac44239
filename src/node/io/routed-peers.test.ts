import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MapNode } from '../../wire/map-node.ts'
import { RoutedPeers } from './routed-peers.ts'

test('there are routes as long as some peer has one', () => {
  const routed = new RoutedPeers()
  const node = (...PrimaryRoutes: string[]) => ({ PrimaryRoutes }) as unknown as MapNode
  const take = (id: number, now: MapNode | undefined): boolean => {
    routed.take({ peers: [{ id, was: undefined, now }] as never })
    return routed.any
  }
  assert.equal(take(1, node()), false)
  assert.equal(take(2, node('10.0.0.0/8')), true)
  assert.equal(take(3, node('10.1.0.0/16')), true)
  assert.equal(take(2, node()), true)
  assert.equal(take(3, undefined), false)
})
