import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rawKey } from '../../base/keys.ts'
import { nodePrimitives as p } from '../../crypto/io/node-primitives.ts'
import { generateKey } from '../../crypto/primitives.ts'
import { utf8 } from '../../base/bytes.ts'
import { makeSelfSigned } from './certificate.ts'
import { startRelay } from './start.ts'
import { DerpClient } from '../../../test/support/derp-client.ts'

test('smoke', async () => {
  const tls = makeSelfSigned(['relay.test', '127.0.0.1', '::1'], new Date())
  const relay = await startRelay({
    listen: { host: '127.0.0.1', port: 0 },
    key: generateKey(p.random),
    tls,
    stun: [0, 0],
    admission: { admits: () => ({ realm: 'one' }) },
    log: () => {},
  })
  const at = { port: relay.address.port, ca: tls.cert }
  const a = await DerpClient.connect(at, rawKey(relay.key))
  const b = await DerpClient.connect({ ...at, fast: true }, rawKey(relay.key))
  a.packet(b.raw, utf8('hello'))
  await b.until((m) => m.kind === 'packet')
  await relay.close({ drainMs: 100 })
  await a.until((m) => m.kind === 'restarting')
  assert.ok(true)
})
