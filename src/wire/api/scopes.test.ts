/** What scopes grant. (api-v2.md §2.4) */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers, grants, isScope } from './scopes.ts'
import type { Act, Scope } from './scopes.ts'

test('what is granted grants this, and nothing else', () => {
  const rows: readonly [granted: string[], scope: Scope, act: Act, want: boolean][] = [
    [['devices:core'], 'devices:core', 'write', true],
    [['devices:core'], 'devices:core', 'read', true],
    [['devices:core:read'], 'devices:core', 'read', true],
    [['devices:core:read'], 'devices:core', 'write', false],
    [['devices:core'], 'devices:routes', 'read', false],
    [['all'], 'users', 'write', true],
    [['all:read'], 'users', 'read', true],
    [['all:read'], 'users', 'write', false],
    [[], 'users', 'read', false],
    [['users', 'dns:read'], 'dns', 'read', true],
    [['devices'], 'auth_keys', 'write', true],
    [['devices'], 'devices:posture_attributes', 'write', true],
    [['devices'], 'devices:routes', 'read', false],
    [['devices:read'], 'devices:core', 'read', true],
    [['devices:read'], 'devices:core', 'write', false],
    [['routes'], 'devices:routes', 'write', true],
    [['acl:read'], 'policy_file', 'read', true],
    [['network-logs'], 'logs:network', 'write', true],
    [['logs'], 'logs:network', 'read', false],
    [['constructor', '__proto__', ':read', ''], 'users', 'read', false],
    [['Users'], 'users', 'read', false],
  ]
  for (const [granted, scope, act, want] of rows)
    assert.equal(grants(granted, scope, act), want, `${granted.join(' ')} / ${scope} ${act}`)
})

test('wanted scopes are covered when each of them is', () => {
  const rows: readonly [granted: string[], wanted: string[], want: boolean][] = [
    [['all'], ['all'], true],
    [['all'], ['devices', 'users:read'], true],
    [['all:read'], ['all:read', 'users:read'], true],
    [['all:read'], ['users'], false],
    [['users'], ['all'], false],
    [['users'], ['all:read'], false],
    [['devices'], ['devices:core', 'auth_keys:read'], true],
    [['devices:core', 'auth_keys'], ['devices'], false],
    [['devices:core', 'devices:posture_attributes', 'auth_keys'], ['devices'], true],
    [['users'], [], true],
    [['users'], ['users', 'dns'], false],
  ]
  for (const [granted, wanted, want] of rows)
    assert.equal(covers(granted, wanted), want, `${granted.join(' ')} / ${wanted.join(' ')}`)
})

test('texts that name a scope', () => {
  for (const text of ['all', 'all:read', 'devices:core', 'logs:network:read', 'acl', 'devices:read'])
    assert.ok(isScope(text), text)
  for (const text of ['', ':read', 'all:write', 'everything', 'constructor', 'devices:core:read:read', ' all'])
    assert.ok(!isScope(text), text)
})
