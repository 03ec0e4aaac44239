/**
 * Puts machines into a tailnet that nobody runs: each registers with a key, and is never heard of again.
 *
 *   node bench/node/quiet-peers.ts URL AUTH-KEY COUNT
 */

import { nodePrimitives } from '../../src/crypto/io/node-primitives.ts'
import { nodeKeyOf } from '../../src/base/keys.ts'
import { ControlClient, fetchServerKey, registerBody } from '../../test/support/control-client.ts'

const [url = '', authKey = '', count = '0'] = process.argv.slice(2)
const serverKey = await fetchServerKey(url)
for (let n = 0; n < Number(count); n++) {
  const client = await ControlClient.connect({ url, serverKey })
  const nodeKey = nodeKeyOf(nodePrimitives.random(32))
  const { status, text } = await client.register(registerBody({ nodeKey, authKey, hostname: `quiet${n}` }))
  if (status !== 200) throw new Error(`cannot register: ${status} ${text}`)
  client.close()
}
console.log('registered')
