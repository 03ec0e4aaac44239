/**
 * What nodes say to each other beside the traffic that they carry: pings in each of the four ways, refusals of
 * connections, PeerAPI; and what the server asks a node. Two machines with our daemon, and our server.
 */

import assert from 'node:assert/strict'
import { setTimeout as wait } from 'node:timers/promises'
import { after, before, describe, test } from 'node:test'
import { tunMissing } from './available.ts'
import type { Machine } from './machine.ts'
import { Tailnet } from './tailnet.ts'

const skip = tunMissing()
const FETCH =
  'fetch(process.argv[1], { signal: AbortSignal.timeout(4000) }).then(async (answer) => console.log(await answer.text()))'

describe('nodes among themselves', { skip }, () => {
  let tailnet: Tailnet
  let a: Machine
  let b: Machine
  let their: { readonly four: string; readonly six: string }

  before(async () => {
    tailnet = await Tailnet.open()
    ;[a, b] = (await tailnet.join('anna', 'ben')) as [Machine, Machine]
    their = await b.addresses()
  })
  after(async () => tailnet?.[Symbol.asyncDispose]())

  test('TSMP and ICMP pings are answered over IPv4 and IPv6', async () => {
    for (const address of [their.four, their.six])
      for (const kind of ['TSMP', 'ICMP']) {
        const said = await a.sett('ping', `--${kind.toLowerCase()}`, '-c', '1', '--timeout=10s', address)
        assert.match(said, new RegExp(`^pong from ben \\(${address}(, \\d+)?\\) via ${kind} in [0-9.]+m?s`), said)
      }
  })

  test('PeerAPI is open to peers, whatever the shields, and to nobody else', async () => {
    const url = await until(a, async () => {
      const { Peer } = JSON.parse(await a.sett('status', '--json')) as {
        Peer: { [key: string]: { PeerAPIURL: readonly string[] | null } }
      }
      return Object.values(Peer)[0]?.PeerAPIURL?.[0]
    })
    const [, port = ''] = /^http:\/\/[0-9.]+:(\d+)$/.exec(url) ?? []
    const own = JSON.parse(await b.sett('status', '--json')) as { Self: { PeerAPIURL: readonly string[] } }
    assert.deepEqual([own.Self.PeerAPIURL.length, own.Self.PeerAPIURL[0]], [2, url])
    await b.sett('set', '--shields-up')
    assert.match(
      await a.sett('ping', '--peerapi', '-c', '1', '--timeout=10s', their.four),
      new RegExp(`^hit peerapi of ${their.four} \\(ben\\.[a-z0-9.-]+\\) at ${url} in `),
    )
    assert.match(
      await a.sett('ping', '--tsmp', '-c', '1', '--timeout=10s', their.four),
      new RegExp(`, ${port}\\) via TSMP`),
    )
    assert.match(await a.where.exec(process.execPath, ['-e', FETCH, url]), /^Sett node ben\. It knows you as anna /)
    await b.sett('set', '--shields-up=false')
    // A host of the local network can send to the address too; it is no peer.
    const { home } = tailnet
    await home.ip('route', 'add', `${their.four}/32`, 'via', '198.51.100.11')
    await assert.rejects(home.exec(process.execPath, ['-e', FETCH, url]))
  })

  test('the machine’s own ping goes on beside ours', async () => {
    const [said] = await Promise.all([
      a.where.exec('ping', ['-c', '5', '-i', '0.2', '-W', '5', their.four]),
      a.sett('ping', '--icmp', '-c', '3', '--timeout=10s', their.four),
    ])
    assert.match(said, / 5 received/)
  })

  test('with shields up TSMP is answered still, and a refused connection is told why', async () => {
    await b.sett('set', '--shields-up')
    assert.match(await a.sett('ping', '--tsmp', '-c', '1', '--timeout=10s', their.four), /via TSMP/)
    const connect = `require('node:net').connect(5000, '${their.four}').on('error', () => {}); setTimeout(process.exit, 300)`
    await a.where.exec(process.execPath, ['-e', connect])
    await a.daemon?.waitFor(new RegExp(`${their.four}:5000 refuses connections from [0-9.]+: shields`))
    await b.sett('set', '--shields-up=false')
  })
})

/** Asks until there is an answer. */
async function until<T>({ name }: Machine, ask: () => Promise<T | undefined>): Promise<T> {
  for (const end = performance.now() + 15_000; performance.now() < end; await wait(100)) {
    const found = await ask()
    if (found !== undefined) return found
  }
  throw new Error(`${name}: no answer in 15 s`)
}
