import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TailnetState } from '../model/model.ts'
import { noSuchUser } from './people.ts'

test('whoever leaves out where a user is from is told who may be meant', () => {
  const usersByLogin = new Map([['Anna@example.com', {}]])
  const tailnet = { usersByLogin } as unknown as TailnetState
  assert.match(noSuchUser(tailnet, 'anna'), /did you mean Anna@example\.com\?$/)
  assert.match(noSuchUser(tailnet, 'ann'), /create them first$/)
  assert.ok(noSuchUser(tailnet, 'x'.repeat(10_000)).length < 400)
})
