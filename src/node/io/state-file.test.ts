import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { MeshError } from '../../base/errors.ts'
import { utf8 } from '../../base/bytes.ts'
import { decodeState, encodeState } from '../local/state.ts'
import { openState } from './state-file.ts'

const folder = mkdtempSync(join(tmpdir(), 'sett-state-'))
after(() => rmSync(folder, { recursive: true, force: true }))
let count = 0
const fresh = () => join(folder, String(count++), 'settd.state')
const put = (...entries: [string, string | null][]) =>
  new Map(entries.map(([key, text]) => [key, text === null ? null : utf8(text)]))

test('what was written is there after the next start, for the owner alone', () => {
  const path = fresh()
  const store = openState(path)
  assert.equal(store.state.size, 0)
  store.write(put(['a', 'one'], ['b', 'two']))
  store.write(put(['b', null], ['c', '']))
  const again = openState(path)
  assert.deepEqual([...again.state], [...store.state])
  assert.deepEqual([...again.state.keys()], ['a', 'c'])
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.equal(statSync(join(path, '..')).mode & 0o777, 0o700)
  assert.deepEqual(JSON.parse(readFileSync(path, 'utf8')), { a: 'b25l', c: '' })
  assert.deepEqual(readdirSync(join(path, '..')), ['settd.state'])
})

test('a file that others could read is made private by the first write', () => {
  const path = fresh()
  openState(path).write(put(['a', '1']))
  chmodSync(path, 0o644)
  openState(path).write(put(['b', '2']))
  assert.equal(statSync(path).mode & 0o777, 0o600)
})

test('mem: keeps nothing', () => {
  const store = openState('mem:')
  store.write(put(['a', '1']))
  assert.equal(store.state.size, 1)
  assert.equal(openState('mem:').state.size, 0)
})

test('a torn draft is passed over; a damaged file is an error that shows nothing of it', () => {
  const path = fresh()
  openState(path).write(put(['a', '1']))
  const draft = join(path, '..', '.settd.state.new')
  writeFileSync(draft, '{"a": "MT')
  const store = openState(path)
  assert.deepEqual([...store.state.keys()], ['a'])
  store.write(put(['b', '2']))
  const rows = ['{"a": "MT', '[]', '{"_machinekey":"privkey!"}', '{"a":{"b":1}}', 'privkey:00', '{"a":1}', '\xff']
  for (const text of rows) {
    writeFileSync(path, text, 'latin1')
    assert.throws(
      () => openState(path),
      (error) =>
        error instanceof MeshError &&
        error.code === 'store/corrupt' &&
        error.message.includes(path) &&
        !error.message.includes('privkey'),
      text,
    )
  }
  writeFileSync(path, '')
  assert.equal(openState(path).state.size, 0, 'an empty file is an empty state')
})

test('a failed write changes nothing, and a link in the place of the draft is not followed', () => {
  const path = fresh()
  const store = openState(path)
  store.write(put(['a', '1']))
  const victim = join(folder, 'victim')
  writeFileSync(victim, 'mine')
  symlinkSync(victim, join(path, '..', '.settd.state.new'))
  assert.throws(
    () => store.write(put(['a', '2'])),
    (error) => error instanceof MeshError && error.code === 'store/unavailable',
  )
  assert.equal(readFileSync(victim, 'utf8'), 'mine')
  assert.equal(Buffer.from(store.state.get('a') as Uint8Array).toString(), '1')
  store.write(put(['a', '3']))
  assert.equal(Buffer.from(openState(path).state.get('a') as Uint8Array).toString(), '3')
})

test('what is no ordinary file is not taken for the state', () => {
  const path = fresh()
  mkdirSync(path, { recursive: true })
  assert.throws(() => openState(path), /no ordinary file/)
})

test('whenever the daemon is killed, the state is whole and no write that returned is lost', async () => {
  const path = fresh()
  const module = new URL('state-file.ts', import.meta.url).href
  const code = `
    const { openState } = await import(${JSON.stringify(module)})
    const store = openState(${JSON.stringify(path)})
    for (let i = store.state.size; ; i++) {
      store.write(new Map([['key' + i, new Uint8Array(3000).fill(i)]]))
      process.stdout.write(i + '\\n')
    }`
  for (let run = 0; run < 3; run++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
    let told = ''
    for await (const piece of child.stdout) {
      told += String(piece)
      // In the midst of the next write, as likely as not.
      if (told.split('\n').length > 20 + run) child.kill('SIGKILL')
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    const last = Number(told.trim().split('\n').at(-1))
    const state = decodeState(readFileSync(path))
    assert.ok(state.size > last, `${state.size} keys after number ${last} was told`)
    for (const [key, value] of state) assert.ok(value.length === 3000 && value[7] === Number(key.slice(3)) % 256, key)
    assert.deepEqual(decodeState(encodeState(state)), state)
  }
})

test('what is kept already is not written again', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sett-state-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'settd.state')
  const store = openState(path)
  store.write(
    new Map([
      ['a', utf8('1')],
      ['b', utf8('2')],
    ]),
  )
  const { ino } = statSync(path)
  for (const writes of [[['a', utf8('1')]], [['c', null]], []] as const) {
    store.write(new Map<string, Uint8Array | null>(writes))
    assert.equal(statSync(path).ino, ino)
  }
  for (const writes of [
    [['a', utf8('2')]],
    [['b', null]],
    [
      ['a', utf8('2')],
      ['c', utf8('')],
    ],
  ] as const) {
    // Only of files that are there at the same time, numbers differ.
    const last = statSync(path).ino
    store.write(new Map<string, Uint8Array | null>(writes))
    assert.notEqual(statSync(path).ino, last)
  }
  assert.deepEqual([...openState(path).state.keys()], ['a', 'c'])
})
