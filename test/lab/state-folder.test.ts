/** One daemon to a state folder: a second one, even on another machine that shares it, ends and touches nothing. */

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { tunMissing } from './available.ts'
import type { Machine } from './machine.ts'
import type { Namespace } from './namespace.ts'
import { Tailnet } from './tailnet.ts'

const skip = tunMissing()
const SETTD = fileURLToPath(new URL('../../bin/settd', import.meta.url))

/** How a daemon ended that could not start: its exit code and what it said. */
async function refused(where: Namespace, ...args: string[]): Promise<string> {
  // A namespace has no certificates of the machine's own to offer.
  const said = where.exec('env', ['NODE_EXTRA_CA_CERTS=', SETTD, ...args], { timeoutMs: 20_000 })
  return said.then(
    () => assert.fail('it was not refused'),
    (error: Error & { code?: number; stderr?: string }) => `${error.code} ${error.stderr}`,
  )
}

describe('a state folder', { skip }, () => {
  let tailnet: Tailnet
  let a: Machine
  let b: Machine
  let folder: string
  let untouched: string

  before(async () => {
    tailnet = await Tailnet.open()
    a = await tailnet.machine('anna')
    b = await tailnet.machine('ben')
    folder = join(a.where.dir, 'state')
    untouched = await b.traces()
    await a.start()
    await a.up(await tailnet.login())
  })
  after(async () => tailnet?.[Symbol.asyncDispose]())

  test('a second daemon on it ends with an error that names it, and nothing is changed', async () => {
    const kept = (): string[] =>
      readdirSync(folder).map((name) => `${name} ${readFileSync(join(folder, name), 'utf8')}`)
    const [traces, files] = [await a.traces(), kept()]
    assert.equal(statSync(join(folder, 'lock')).mode & 0o777, 0o600)
    for (const where of [a.where, b.where])
      for (const state of [[], ['--state=mem:']]) {
        const other = ['--tun=other0', `--socket=${where.dir}/other.sock`, '--port=0']
        const said = await refused(where, ...other, `--statedir=${folder}`, ...state)
        assert.match(said, /^1 settd: Cannot start: another settd has state folder /)
        assert.ok(said.includes(folder), said)
      }
    assert.deepEqual(kept(), files)
    assert.equal(await a.traces(), traces)
    assert.equal(await b.traces(), untouched)
  })

  test('nor does one with a folder of its own start on the state file of another', async () => {
    const file = join(folder, 'settd.state')
    const own = ['--tun=other0', `--socket=${b.where.dir}/other.sock`, '--port=0', `--statedir=${b.where.dir}/own`]
    assert.equal(
      await refused(b.where, ...own, `--state=${file}`),
      `1 settd: Cannot start: another settd has state file ${file}. Stop it, or give this one a --state of its own\n`,
    )
    assert.equal(await b.traces(), untouched)
  })

  test('nobody cleans up under a daemon that runs', async () => {
    const traces = await a.traces()
    for (const { where } of [a, b])
      assert.match(await refused(where, '--cleanup', `--statedir=${folder}`), /^1 settd: Cannot clean up: .*\/state/)
    assert.equal(await a.traces(), traces)
    assert.ok(existsSync(join(folder, 'host-journal.json')))
  })

  test('one that was killed has let it go', async () => {
    await a.kill()
    await a.start()
    await a.until('it runs again', ({ BackendState }) => BackendState === 'Running')
    await a.kill()
    await a.where.exec(SETTD, ['--cleanup', `--statedir=${folder}`])
    assert.equal(await a.where.ip('route', 'show', 'table', '52').catch(() => ''), '')
  })

  test('a socket in a folder that would lie in none is refused', async () => {
    const lost = join(b.where.dir, 'no', 'such')
    const own = [`--statedir=${b.where.dir}/own`, '--port=0']
    assert.match(
      await refused(b.where, ...own, `--socket=${lost}/a.sock`),
      /settd: Cannot open .*a\.sock: there is no folder .*\/no\n$/,
    )
    assert.equal(existsSync(join(lost, '..')), false)
  })
})
