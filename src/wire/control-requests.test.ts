/** Requests of a node are those of official clients, member by member; our server's readers take them too. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { golden } from '../../test/support/golden.ts'
import { parseTime } from '../base/clock.ts'
import type { Wall } from '../base/clock.ts'
import type { DiscoKey, LockKey, NodeKey } from '../base/keys.ts'
import { Secret } from '../base/secret.ts'
import { encodeMapRequest, encodeRegisterRequest, ENDPOINT_TYPE } from './control-requests.ts'
import type { Endpoint } from './control-requests.ts'
import type { Hostinfo } from './hostinfo.ts'
import { readMapRequest } from './map-request.ts'
import { readRegisterRequest } from './register.ts'

interface Recorded {
  readonly name: string
  readonly op: string
  readonly kind: 'register' | 'map'
  readonly body: Readonly<Record<string, unknown>>
}

const TYPES = Object.keys(ENDPOINT_TYPE) as Endpoint['type'][]

test('golden: every recorded request is written again as it was', () => {
  for (const { name, kind, body } of golden<Recorded>('map-request.json')) {
    const version = body['Version'] as number
    const nodeKey = body['NodeKey'] as NodeKey
    const hostinfo = body['Hostinfo'] as Hostinfo
    const expiry = parseTime((body['Expiry'] as string | undefined) ?? '0001-01-01T00:00:00Z') as Wall | undefined
    const addresses = (body['Endpoints'] ?? []) as string[]
    const types = (body['EndpointTypes'] ?? []) as number[]
    const written =
      kind === 'register'
        ? encodeRegisterRequest({
            version,
            nodeKey,
            oldNodeKey: body['OldNodeKey'] as NodeKey,
            lockKey: body['NLKey'] as LockKey,
            ...(expiry === undefined ? {} : { expiry }),
            followup: body['Followup'] as string,
            hostinfo,
          })
        : encodeMapRequest({
            version,
            nodeKey,
            discoKey: body['DiscoKey'] as DiscoKey,
            stream: body['Stream'] === true,
            hostinfo,
            endpoints: addresses.map((address, i) => ({ address, type: TYPES[types[i] ?? 0] as Endpoint['type'] })),
            debugFlags: (body['DebugFlags'] ?? []) as string[],
          })
    assert.deepEqual(JSON.parse(new TextDecoder().decode(written)), body, name)
  }
})

test('what a node says is what the server reads', () => {
  const key = (kind: string) => `${kind}:${'12'.repeat(32)}`
  const register = readRegisterRequest(
    encodeRegisterRequest({
      version: 137,
      nodeKey: key('nodekey') as NodeKey,
      oldNodeKey: key('nodekey') as NodeKey,
      lockKey: key('nlpub') as LockKey,
      authKey: new Secret('tskey-auth-x', 'auth key'),
      expiry: 123_000 as Wall,
      followup: 'https://h/a',
      hostinfo: { OS: 'linux' },
      ephemeral: true,
      tailnet: 'required:t',
    }),
  )
  assert.equal(register.authKey?.reveal(), 'tskey-auth-x')
  assert.deepEqual(
    [register.expiry, register.followup, register.ephemeral, register.tailnet],
    [123_000, 'https://h/a', true, 'required:t'],
  )
  const endpoints = [{ address: '192.0.2.1:7', type: 'configured' }] as const
  const ask = { version: 137, nodeKey: key('nodekey') as NodeKey, discoKey: key('discokey') as DiscoKey, hostinfo: {} }
  const map = readMapRequest(encodeMapRequest({ ...ask, stream: false, endpoints }))
  assert.deepEqual([map.stream, map.omitPeers, map.endpoints], [false, true, ['192.0.2.1:7']])
})
