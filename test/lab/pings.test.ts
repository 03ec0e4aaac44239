/**
 * What nodes say to each other beside the traffic that they carry: pings in each of the four ways, refusals of
 * connections, PeerAPI; and what the server asks a node. Two machines with our daemon, and our server.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { tunMissing } from './available.ts'
import type { Machine } from './machine.ts'
import { Tailnet } from './tailnet.ts'

const skip = tunMissing()

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
        assert.match(said, new RegExp(`^pong from ben \\(${their.four}(, \\d+)?\\) via ${kind} in [0-9.]+m?s`), said)
      }
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
