/**
 * Puts machines into a tailnet that nobody runs: each registers with a key, says where it is, and is never heard of again.
 *
 *   node bench/node/quiet-peers.ts URL AUTH-KEY COUNT
 */

import { nodePrimitives } from '../../src/crypto/io/node-primitives.ts'
import { discoKeyOf, nodeKeyOf } from '../../src/base/keys.ts'
import { CLIENT_VERSION, ControlClient, fetchServerKey, registerBody } from '../../test/support/control-client.ts'

const [url = '', authKey = '', count = '0'] = process.argv.slice(2)
const serverKey = await fetchServerKey(url)
for (let n = 0; n < Number(count); n++) {
  const client = await ControlClient.connect({ url, serverKey })
  const nodeKey = nodeKeyOf(nodePrimitives.random(32))
  const { status, text } = await client.register(registerBody({ nodeKey, authKey, hostname: `quiet${n}` }))
  if (status !== 200) throw new Error(`cannot register: ${status} ${text}`)
  const said = await client.request('POST', '/machine/map', {
    Version: CLIENT_VERSION,
    NodeKey: nodeKey,
    DiscoKey: discoKeyOf(nodePrimitives.random(32)),
    Endpoints: [`203.0.113.${n & 255}:41641`],
    Hostinfo: { OS: 'linux', Hostname: `quiet${n}` },
    OmitPeers: true,
    Stream: false,
  })
  if (said.status !== 200) throw new Error(`cannot say where it is: ${said.status} ${said.text}`)
  client.close()
}
console.log('registered')
