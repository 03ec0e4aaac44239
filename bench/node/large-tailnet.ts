/**
 * A control server that tells whoever asks of one large tailnet, and of as many small changes in it as it is told to.
 * It does nothing else; what a node makes of it is measured from outside.
 *
 *   node bench/node/large-tailnet.ts HOST PEERS
 *
 * Prints `listening URL`. A line `patch COUNT` on standard input has it say on every open stream, in so many messages, that a
 * peer is elsewhere; `peer COUNT`, that a peer has another name. Prints `done` when all are out.
 */

import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { zstdCompressSync } from 'node:zlib'
import { concat } from '../../src/base/bytes.ts'
import type { ControlReply } from '../../src/coord/control.ts'
import { encodeMapFrame } from '../../src/wire/map-frame.ts'
import { listenForControl } from '../../test/support/control-listener.ts'
import { firstMap, JOINED, peerNode } from '../../test/support/fake-control.ts'

const [host = '127.0.0.1', peers = '0'] = process.argv.slice(2)
/** The first is the node that asks. */
const FIRST_PEER = 2
/** Far enough apart that none is taken together with the one before. */
const PAUSE_MS = 15

const all = Array.from({ length: Number(peers) }, (_, n) => peerNode(FIRST_PEER + n))
const streams = new Set<ControlReply>()
let told = 0

const frame = (message: object): Uint8Array =>
  concat(encodeMapFrame([zstdCompressSync(Buffer.from(JSON.stringify(message)))]))

const listener = await listenForControl({
  host,
  handler(request, reply) {
    if (request.path === '/machine/register') return reply.answer(200, JSON.stringify(JOINED))
    const asked = request.body[0] === 0x7b ? (JSON.parse(Buffer.from(request.body).toString()) as Asked) : {}
    if (asked.Stream !== true) return reply.answer(200)
    reply.start()
    // Without a relay there is nothing to dial, and nothing but the map to be measured.
    reply.write(frame(firstMap(asked.NodeKey ?? '', { Peers: all, DERPMap: { Regions: {} } })))
    streams.add(reply)
    reply.onClose(() => streams.delete(reply))
  },
})
console.log(`listening ${listener.url}`)

interface Asked {
  readonly Stream?: boolean
  readonly NodeKey?: string
}

for await (const line of createInterface({ input: process.stdin })) {
  const [what, count = '1'] = line.split(' ')
  for (let n = 0; n < Number(count); n++) {
    const id = FIRST_PEER + ((told += 1) % all.length)
    const patch = { NodeID: id, Endpoints: [`203.0.113.${told & 255}:${1024 + (told & 1023)}`], Online: true }
    const message =
      what === 'patch'
        ? { PeersChangedPatch: [patch] }
        : { PeersChanged: [peerNode(id, { Name: `other${told}.tail.example.` })] }
    for (const reply of streams) reply.write(frame(message))
    await wait(PAUSE_MS)
  }
  console.log('done')
}
