/**
 * Pumps and their engine, with fixed keys: what is not theirs to move reaches the engine, and what it gives them goes
 * its way; and nothing that waits in a system call keeps a process from ending.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { tunMissing } from './available.ts'
import { Lab } from './lab.ts'
import { INSIDE } from './pump-node.ts'
import { command, counts, loneEnd, OUTSIDE, OUTSIDE6, pair, PORT } from './pump-pair.ts'

const skip = tunMissing()

for (const plain of [false, true]) {
  describe(`pumps and their engine, ${plain ? 'plain' : 'fast'}`, () => {
    let lab: Lab
    let ends: Awaited<ReturnType<typeof pair>>
    before(async () => {
      if (skip !== false) return
      lab = await Lab.open()
      ends = await pair(lab, { plain, withoutSession: true }, { plain })
    })
    after(async () => {
      if (skip === false) await lab.close()
    })
    const ping = async (seconds = 2): Promise<string> =>
      ends.a.where
        .exec('ping', ['-c', '1', '-W', String(seconds), INSIDE.b.four])
        .catch((error: Error) => error.message)

    test('without a session packets come to the engine; with one they go', { skip }, async () => {
      // What nobody answers need not be waited for.
      await ping(0.1)
      const [, packet = ''] = await ends.a.node.waitFor(/"event":"unsealed","peer":7,"hex":"(45[0-9a-f]+)"/)
      // The engine gives it back once there is a session.
      command(ends.a, { do: 'session', live: true }, { do: 'seal', hex: packet }, { do: 'seal', hex: '' })
      await ends.b.node.waitFor(/"event":"activity"[^\n]*"receivedAt"[^\n]*"from":"port 41641"/)
      assert.match(await ping(), / 0% packet loss/)
      const { traffic } = await counts(ends.b)
      assert.equal(traffic.receivedPackets, 3)
    })

    test(
      'what goes by the relay comes to the engine, and what came by it goes in; the way back follows',
      { skip },
      async () => {
        command(ends.a, { do: 'route', region: 9 })
        const answer = ping()
        const [, message = ''] = await ends.a.node.waitFor(/"event":"relay","peer":7,"hex":"([0-9a-f]+)"/)
        command(ends.b, { do: 'relayed', hex: message, region: 9 })
        assert.match(await answer, / 0% packet loss/)
        await ends.b.node.waitFor(/"from":"relay 9"/)
        // A copy each way: the second of the two is no news.
        command(ends.a, { do: 'route', endpoint: `${OUTSIDE.b}:${PORT}`, region: 9 })
        assert.match(await ping(), / 0% packet loss/)
        const relayed = [...ends.a.node.output.matchAll(/"event":"relay","peer":7,"hex":"([0-9a-f]+)"/g)].map(
          (m) => m[1],
        )
        assert.equal(relayed.length, 2)
        command(
          ends.b,
          { do: 'relayed', hex: relayed[1] as string, region: 9 },
          { do: 'relayed', hex: '0011', region: 9 },
        )
        await ends.b.node.waitFor(/"event":"datagram","hex":"0011","from":"relay 9"/)
        assert.deepEqual((await counts(ends.b)).drops['replayed'], 1)
        command(ends.a, { do: 'route' })
        await ping(0.1)
        assert.ok(((await counts(ends.a)).drops['no-path'] ?? 0) > 0)
        command(ends.a, { do: 'route', endpoint: `${OUTSIDE.b}:${PORT}` })
        assert.match(await ping(), / 0% packet loss/)
      },
    )

    test(
      'datagrams that are no data, packets to the engine’s own addresses, and packets of the engine',
      { skip },
      async () => {
        command(ends.a, { do: 'send', to: `${OUTSIDE.b} ${PORT}`, hex: '01000000aabb' })
        await ends.b.node.waitFor(/"event":"datagram","hex":"01000000aabb","from":"port 41641"/)
        command(ends.b, { do: 'send', to: `${OUTSIDE6.a} ${PORT}`, hex: '5453' })
        await ends.a.node.waitFor(/"event":"datagram","hex":"5453","from":"port 41641"/)
        // As node -e: a datagram to the resolver, and the answer that the engine makes of it.
        const asking = ends.a.where.exec(process.execPath, [
          '-e',
          `const s = require('node:dgram').createSocket('udp4'); s.bind(5353); s.on('message', (m) => { console.log(String(m)); process.exit() })
         s.send('question', 53, '100.100.100.100')`,
        ])
        const [, hex = ''] = await ends.a.node.waitFor(/"event":"engine","hex":"(45[0-9a-f]+7175657374696f6e)"/)
        const answer = Uint8Array.fromHex(hex)
        const [src, dst] = [answer.slice(12, 16), answer.slice(16, 20)]
        const ports = answer.slice(20, 24)
        answer.set([...dst, ...src, ...ports.slice(2), ...ports.slice(0, 2)], 12)
        command(ends.a, { do: 'tun', hex: answer.toHex() })
        assert.equal((await asking).trim(), 'question')
      },
    )

    test('strangers’ bytes of every length do no harm', { skip }, async () => {
      const flood = `
        const s = require('node:dgram').createSocket('udp4'), { randomBytes } = require('node:crypto')
        let n = 0
        const more = () => { for (let i = 0; i < 50; i++, n++) { const b = randomBytes((n * 37) % 1500); if (n % 2 && b.length > 8) b.set([4, 0, 0, 0, 2, 0, 0, 0]); s.send(b, ${PORT}, '${OUTSIDE.b}') } if (n < 3000) setImmediate(more); else s.close() }
        more()`
      await ends.a.where.exec(process.execPath, ['-e', flood])
      assert.match(await ping(), / 0% packet loss/)
      const { drops } = await counts(ends.b)
      assert.ok((drops['forged'] ?? 0) > 500, JSON.stringify(drops))
    })

    test(
      'it ends when it is told to, under traffic too, and when the process ends in whatever way',
      { skip },
      async () => {
        for (const [how, code] of [
          ['close', 0],
          ['exit', 0],
          ['throw', 1],
        ] as const) {
          const end = await loneEnd(lab, plain, how)
          const load = end.where.spawn('ping', ['-f', '-s', '1000', INSIDE.b.four])
          await end.node.waitFor(/"event":"activity"/)
          command(end, { do: how })
          const giveUp = setTimeout(() => end.node.child.kill('SIGKILL'), 10_000)
          assert.deepEqual(await end.node.ended, { code, signal: null }, how)
          clearTimeout(giveUp)
          await load.stop('SIGKILL')
        }
      },
    )
  })
}
