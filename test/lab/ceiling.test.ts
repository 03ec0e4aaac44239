/**
 * What the owner of a machine forbids its node, on a machine with our daemon: nobody sets it, what was set before is
 * not in force, and the server asks in vain.
 */

import assert from 'node:assert/strict'
import { chmodSync, chownSync, writeFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { tunMissing } from './available.ts'
import { Machine } from './machine.ts'
import { Tailnet } from './tailnet.ts'

const skip = tunMissing()
const SETTD = fileURLToPath(new URL('../../bin/settd', import.meta.url))

describe('a machine with a ceiling', { skip }, () => {
  let tailnet: Tailnet
  let a: Machine
  let b: Machine
  let file = ''
  let nodeId = ''

  before(async () => {
    tailnet = await Tailnet.open()
    ;[a, b] = (await tailnet.join('anna', 'ben')) as [Machine, Machine]
    await a.sett('set', '--accept-routes', '--advertise-routes=10.9.0.0/24')
    nodeId = (await tailnet.server.device('anna')).nodeId
    file = `${a.where.dir}/ceiling.json`
    const settd = `${a.where.dir}/settd-bounded`
    writeFileSync(settd, `#!/bin/sh\nexec ${SETTD} --ceiling ${file} "$@"\n`, { mode: 0o755 })
    await a.stop()
    a = new Machine(a.where, { settd })
  })
  after(async () => tailnet?.[Symbol.asyncDispose]())

  const ceiling = (value: object): void => writeFileSync(file, JSON.stringify(value), { mode: 0o644 })
  const prefs = async (): Promise<Record<string, unknown>> =>
    JSON.parse(await a.sett('debug', 'prefs')) as Record<string, unknown>

  test('without a good file the daemon does not start: nothing is allowed by mistake', async () => {
    const refused = async (why: RegExp): Promise<void> => {
      await assert.rejects(a.where.exec(SETTD, ['--ceiling', file, '--statedir', `${a.where.dir}/other`]), why)
    }
    await refused(/Cannot read the ceiling .*ENOENT/)
    ceiling({ forbid: ['exit-nodes'] })
    await refused(/unknown word "exit-nodes", want any of ssh, /)
    ceiling({ forbid: [] })
    chmodSync(file, 0o666)
    await refused(/others than root may write/)
    chmodSync(file, 0o644)
    chownSync(file, 65_534, 0)
    await refused(/belongs to user 65534/)
    chownSync(file, 0, 0)
  })

  test('what was set before is not in force, and can’t be set again', async () => {
    ceiling({ forbid: ['accept-routes', 'advertise-routes', 'use-exit-node', 'ssh', 'remote-config'] })
    await a.start()
    await a.until('it runs', ({ BackendState, Self }) => BackendState === 'Running' && Self.Online)
    const { RouteAll, AdvertiseRoutes } = await prefs()
    assert.deepEqual([RouteAll, AdvertiseRoutes], [false, []])
    const { four } = await b.addresses()
    await b.sett('set', '--advertise-exit-node')
    await tailnet.server.admin(
      'nodes',
      'routes',
      (await tailnet.server.device('ben')).nodeId,
      '--approve',
      '0.0.0.0/0,::/0',
    )
    await a.until('it is offered one', ({ Peer }) => JSON.stringify(Peer).includes('"ExitNodeOption":true'))
    for (const flag of ['--accept-routes', '--advertise-routes=10.9.0.0/24', `--exit-node=${four}`])
      await assert.rejects(a.sett('set', flag), /is forbidden on this machine by .*\/ceiling\.json/, flag)
    await assert.rejects(
      a.sett('up', '--reset', `--login-server=${tailnet.server.url}`, '--accept-routes'),
      /is forbidden on this machine by/,
    )
    await a.sett('set', '--shields-up')
    await a.sett('set', '--shields-up=false')
  })

  test('routes that the server has approved lead nowhere', async () => {
    await b.sett('set', '--advertise-routes=10.77.0.0/24')
    await tailnet.server.admin(
      'nodes',
      'routes',
      (await tailnet.server.device('ben')).nodeId,
      '--approve',
      '10.77.0.0/24',
    )
    await a.until('it hears of them', ({ Peer }) => JSON.stringify(Peer).includes('10.77.0.0/24'))
    assert.doesNotMatch(await a.where.ip('route', 'show', 'table', '52'), /10\.77/)
  })

  test('the server may ask for a sign of life, until that is forbidden too', async () => {
    const ping = (...more: string[]): Promise<string> => tailnet.server.admin('nodes', 'ping', nodeId, ...more)
    assert.match(await ping(), /^anna\S* answered in/)
    assert.match(await ping('--echo'), /^anna\S* answered in/)
    await a.stop()
    ceiling({ c2n: { forbid: ['*'] } })
    await a.start()
    await a.until('it runs', ({ BackendState, Self }) => BackendState === 'Running' && Self.Online)
    assert.match(await ping(), /^anna\S* answered in/)
    await assert.rejects(ping('--echo'))
  })
})
