/**
 * Backup and restore as an administrator does them, as a contract for either engine at either end: a copy is taken
 * beside a server that works, brought back elsewhere together with the keys, and the machines notice nothing.
 */

import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ControlClient, registerBody } from '../support/control-client.ts'
import { Coord } from './coord.ts'
import { drawKey, Node, publicNodeKey } from './node.ts'
import { run, SETT } from './program.ts'

/** Where a server keeps what it knows: as flags of `sett coord`. */
export interface Place {
  /** Beside the data folder given. */
  flags(data: string): Promise<readonly string[]>
}

interface Device {
  readonly nodeId: string
  readonly name: string
  readonly addresses: readonly string[]
  readonly nodeKey: string
}

export function backupContract(name: string, from: Place, to: Place, skip: string | false): void {
  test(`${name}: a copy of a busy server, brought back elsewhere, is that server`, { skip }, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'sett-e2e-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const [old, moved] = [join(folder, 'old'), join(folder, 'moved')]
    for (const data of [old, moved]) mkdirSync(data, { mode: 0o700 })
    const [fromFlags, toFlags] = [await from.flags(old), await to.flags(moved)]
    const server = await Coord.start({ data: old, args: fromFlags })
    t.after(() => server.remove())
    const authKey = await server.createKey()
    const token = await server.createToken()
    const early = await Node.join(server, { authKey, hostname: 'early' })
    await server.admin('POST', `/device/${early.self?.StableID}/tags`, { tags: ['tag:kept'] })
    const listOf = async (coord: Coord) =>
      (await coord.admin<{ devices: Device[] }>('GET', '/tailnet/-/devices')).devices
    const known = await listOf(server)

    // Machines go on joining while the copy is taken.
    const state = { over: false }
    const joined: string[] = []
    const joining = (async () => {
      for (let i = 0; !state.over; i++) {
        const nodeKey = publicNodeKey(drawKey())
        const later = await ControlClient.connect({ url: server.url })
        assert.equal((await later.register(registerBody({ nodeKey, authKey, hostname: `later-${i}` }))).status, 200)
        joined.push(nodeKey)
        later.close()
      }
    })()
    const file = join(folder, 'sett.backup')
    const before = joined.length
    const copied = await run(SETT, ['coord', 'backup', file, '--data', old, ...fromFlags])
    state.over = true
    await joining
    assert.deepEqual([copied.code, copied.err], [0, ''])
    assert.match(copied.out, /^Wrote .*: \d+ records of 1 tailnet\. Keep the keys in /)
    assert.equal(statSync(file).mode & 0o777, 0o600)
    for (const secret of [authKey, token, readFileSync(join(old, 'noise.key'), 'utf8')])
      assert.ok(!readFileSync(file, 'latin1').includes(secret.trim().slice(-20)), 'no secret is in it')
    early.close()

    const restore = (...more: string[]) => run(SETT, ['coord', 'restore', file, '--data', moved, ...toFlags, ...more])
    const restored = await restore()
    assert.deepEqual([restored.code, restored.err], [0, ''])
    assert.match(restored.out, /^Restored \d+ records of 1 tailnet from /)
    const again = await restore()
    assert.equal(again.code, 2, again.err)
    assert.match(again.err, /the database holds data; .*force/)
    assert.equal((await restore('--force')).code, 0)

    assert.equal(await server.stop(), 0)
    for (const key of ['noise.key', 'relay.key', 'relay-certificate.pem'])
      copyFileSync(join(old, key), join(moved, key))
    const next = await Coord.start({ data: moved, args: [...toFlags, '--listen', `127.0.0.1:${server.port}`] })
    t.after(() => next.remove())
    assert.equal(next.url, server.url)

    // One moment of it: what was there before, and of those who joined meanwhile the first so many.
    const now = await listOf(next)
    for (const device of known) {
      const same = now.find(({ nodeId }) => nodeId === device.nodeId)
      assert.deepEqual([same?.name, same?.addresses, same?.nodeKey], [device.name, device.addresses, device.nodeKey])
    }
    const inCopy = joined.map((key) => now.some(({ nodeKey }) => nodeKey === key))
    const cut = inCopy.indexOf(false)
    assert.deepEqual(
      inCopy,
      inCopy.map((_, i) => cut < 0 || i < cut),
    )
    assert.ok(cut < 0 || cut >= before)
    assert.equal(now.length, known.length + (cut < 0 ? joined.length : cut))

    // A machine comes back as itself; the token is good; a new machine gets an id that nobody ever had.
    const back = Object.assign(early, { coord: next })
    await back.connect()
    await back.openMap()
    assert.deepEqual(back.self?.Tags, ['tag:kept'])
    assert.equal((await next.http('GET', '/api/v2/tailnet/-/devices', { token })).status, 200)
    const fresh = await Node.join(next, { authKey, hostname: 'fresh' })
    assert.ok((fresh.self?.ID ?? 0) > known.length + joined.length)
    for (const node of [back, fresh]) node.close()

    // Under a running server nothing is replaced, and a damaged copy replaces nothing.
    if (toFlags.length === 0) {
      const refused = await restore('--force')
      assert.notEqual(refused.code, 0)
      assert.match(refused.err, /another Sett server has it open|in use/)
    }
    assert.equal(await next.stop(), 0)
    const bytes = readFileSync(file)
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 0xff
    writeFileSync(file, bytes)
    const damaged = await restore('--force')
    assert.equal(damaged.code, 1)
    await next.start()
    assert.equal((await listOf(next)).length, now.length + 1)
  })
}
