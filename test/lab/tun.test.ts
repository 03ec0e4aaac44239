/** The kernel takes what we cut and join: TCP and UDP of both families through a TUN device and back. */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { tunMissing } from './available.ts'
import { Lab } from './lab.ts'
import type { Namespace } from './namespace.ts'

const skip = tunMissing()
const MIRROR = fileURLToPath(new URL('tun-mirror.ts', import.meta.url))

/** Sends so many bytes to a server at the near side by way of the far side, and back; both compare what they got. */
const TRANSFER = `
const net = require('node:net'), { createHash, randomBytes } = require('node:crypto')
const [near, far, megabytes] = process.argv.slice(1)
const server = net.createServer((s) => s.pipe(s)).listen(0, near, () => {
  const s = net.connect(server.address().port, far)
  const block = randomBytes(1 << 20), out = createHash('sha256'), back = createHash('sha256')
  let got = 0
  s.on('data', (d) => { back.update(d); got += d.length })
  s.on('end', () => { console.log(got, back.digest('hex') === out.digest('hex')); process.exit() })
  let left = Number(megabytes)
  const send = () => { while (left-- > 0) { out.update(block); if (!s.write(block)) return s.once('drain', send) } s.end() }
  send()
})`

/** Datagrams of growing size to the far side: how many came back as they were sent. */
const DATAGRAMS = `
const dgram = require('node:dgram'), [near, far] = process.argv.slice(1), type = near.includes(':') ? 'udp6' : 'udp4'
const server = dgram.createSocket(type).bind(0, near, () => {
  server.on('message', (m, from) => server.send(m, from.port, from.address))
  const s = dgram.createSocket(type).bind(0, near), sizes = [0, 1, 2, 3, 512, 1200, 1232, 1400, 4000, 20000]
  let good = 0
  s.on('message', (m) => { if (m.every((b) => b === (m.length & 255)) && ++good === sizes.length) done() })
  const done = () => { console.log(good); process.exit() }
  for (const size of sizes) s.send(Buffer.alloc(size, size & 255), server.address().port, far)
  setTimeout(done, 5000)
})`

for (const [mode, mtu] of [
  ['offloads', 1280],
  ['offloads', 1500],
  ['plain', 1280],
] as const) {
  describe(`a TUN device, ${mode}, MTU ${mtu}`, () => {
    let lab: Lab
    let host: Namespace
    let mirror: ReturnType<Namespace['spawn']>
    before(async () => {
      if (skip !== false) return
      lab = await Lab.open()
      host = await lab.namespace('host')
      const addresses = ['10.9.0.1/24', 'fd09::1/64']
      mirror = host.spawn(process.execPath, [MIRROR, 'mirror0', mode, String(mtu), ...addresses])
      await mirror.waitFor(/ready/)
    })
    after(async () => {
      if (skip === false) await lab.close()
    })

    for (const [near, far] of [
      ['10.9.0.1', '10.9.0.2'],
      ['fd09::1', 'fd09::2'],
    ] as const) {
      test(`a transfer from ${near} by way of ${far} arrives whole`, { skip }, async () => {
        const size = mode === 'plain' ? 4 : 40
        const said = await host.exec(process.execPath, ['-e', TRANSFER, near, far, String(size)], { timeoutMs: 60_000 })
        assert.equal(said.trim(), `${size << 20} true`)
      })
      test(`datagrams from ${near} by way of ${far} arrive as they were, fragments included`, { skip }, async () => {
        assert.equal((await host.exec(process.execPath, ['-e', DATAGRAMS, near, far])).trim(), '10')
      })
    }
  })
}
