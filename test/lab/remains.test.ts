/** A daemon that was killed and whose journal was lost: what it left is known all the same, and what others have is not touched. */

import assert from 'node:assert/strict'
import { chmodSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { tunMissing } from './available.ts'
import type { Machine } from './machine.ts'
import { Tailnet } from './tailnet.ts'

const skip = tunMissing()
const SETTD = fileURLToPath(new URL('../../bin/settd', import.meta.url))
const WORLD = '203.0.113.1'
const RULES = [
  'pref 5210 fwmark 0x80000/0xff0000 table main',
  'pref 5230 fwmark 0x80000/0xff0000 table default',
  'pref 5250 fwmark 0x80000/0xff0000 type unreachable',
  'pref 5270 table 52',
]

describe('without a journal', { skip }, () => {
  let tailnet: Tailnet
  let a: Machine
  let b: Machine
  let before0: string
  const loseJournal = (): void => rmSync(join(a.where.dir, 'state', 'host-journal.json'))
  const cleanUp = (): Promise<string> => a.where.exec(SETTD, ['--cleanup', `--statedir=${a.where.dir}/state`])

  before(async () => {
    tailnet = await Tailnet.open()
    a = await tailnet.machine('anna')
    b = await tailnet.machine('ben')
    await a.where.ip('route', 'add', 'default', 'via', '198.51.100.1')
    before0 = await a.traces()
    await Promise.all([a.start(), b.start()])
    const login = await tailnet.login()
    await Promise.all([a.up(login), b.up(login, '--advertise-exit-node')])
    const { nodeId } = await tailnet.server.device('ben')
    await tailnet.server.admin('nodes', 'routes', nodeId, '--approve', '0.0.0.0/0,::/0')
    await a.until('it is offered', ({ Peer }) => JSON.stringify(Peer).includes('"ExitNodeOption":true'))
    await a.sett('set', `--exit-node=${(await b.addresses()).four}`)
  })
  after(async () => tailnet?.[Symbol.asyncDispose]())

  test('the next daemon takes over what it finds, and nothing leaks in between', async () => {
    await a.kill()
    loseJournal()
    const way = (): Promise<string> => a.where.ip('route', 'get', WORLD).catch((error: Error) => error.message)
    assert.match(await way(), /No route to host/)
    await a.start()
    await a.until('it runs again', ({ BackendState }) => BackendState === 'Running')
    assert.match(await way(), /dev sett0 table 52/)
    assert.doesNotMatch((await a.status()).Health.join(), /not ours/)
    await a.sett('set', '--exit-node=')
    await a.sett('down')
    assert.equal(await a.traces(), before0)
    await a.sett('up')
    await a.sett('set', `--exit-node=${(await b.addresses()).four}`)
  })

  test('cleaning up takes it away', async () => {
    await a.kill()
    loseJournal()
    assert.notEqual(await a.traces(), before0)
    await cleanUp()
    assert.equal(await a.traces(), before0)
    await cleanUp()
  })

  test('what Tailscale’s own daemon may have made stays, and is told unless that one runs', async (t) => {
    const { where } = a
    for (const rule of RULES) await where.ip('rule', 'add', ...rule.split(' '))
    t.after(async () => {
      for (const rule of RULES) await where.ip('rule', 'del', ...rule.split(' '))
    })
    const traces = await a.traces()
    await assert.rejects(cleanUp(), { code: 1, stderr: /settd: Policy rules, or routes in table 52, .* stay/ })
    assert.equal(await a.traces(), traces)

    const theirs = join(where.dir, 'tailscaled')
    writeFileSync(theirs, '#!/bin/sh\necho runs\nsleep 60 & wait\n')
    chmodSync(theirs, 0o755)
    const process = where.spawn(theirs, [])
    await process.waitFor(/runs/)
    await cleanUp()
    assert.equal(await a.traces(), traces)
    await process.stop('SIGKILL')
  })
})
