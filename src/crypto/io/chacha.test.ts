/** Both ciphers against the same promises, and which of them is taken. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { EMPTY } from '../../base/bytes.ts'
import { chachaContract } from './chacha.contract.ts'
import type { Chacha } from './chacha.ts'
import { chacha, chooseChacha } from './choose-chacha.ts'
import { ARENA_LENGTH, makeEvpChacha } from './evp-chacha.ts'
import { nodeChacha } from './node-chacha.ts'
import { Arena, nativeFunctions, NULL } from './raw-memory.ts'

chachaContract('node:crypto', nodeChacha)

const onLinux = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch)
const skip = !onLinux && 'raw memory is reached on Linux only'

test('where raw memory can be had, the fast cipher is taken', { skip }, () => {
  assert.notEqual(chacha(), nodeChacha)
  assert.equal(chacha(), chacha())
})

if (onLinux) {
  const never: Chacha = {
    seal: () => assert.fail('sealed by the other cipher'),
    open: () => assert.fail('opened by the other cipher'),
    recordCipher: () => assert.fail('asked the other cipher for one of its own'),
  }
  chachaContract('EVP', makeEvpChacha(nodeChacha))

  test('EVP: records and packets up to 64 KiB never reach the other cipher', () => {
    const cipher = makeEvpChacha(never).recordCipher(new Uint8Array(32))
    const [nonce, into] = [new Uint8Array(12), new Uint8Array(65_536 + 16)]
    cipher.sealInto(nonce, into.subarray(16), into, 0)
    assert.equal(cipher.open(nonce, into)?.length, 65_536)
  })

  test('EVP: no key and no clear text stays in the arena', () => {
    const arena = new Arena(ARENA_LENGTH)
    const c = makeEvpChacha(never, arena)
    const [key, nonce, ad] = [new Uint8Array(32).fill(0xc1), new Uint8Array(12), new Uint8Array([7])]
    const clear = new Uint8Array(4096).fill(0xc2)
    const sealed = new Uint8Array(4096 + 16)
    const left = (what: string) => {
      const bytes = arena.take(0, arena.size)
      assert.ok(!bytes.includes(0xc1) && bytes.filter((byte) => byte === 0xc2).length < 16, what)
    }
    c.seal(key, nonce, ad, clear, sealed, 0)
    left('sealed')
    c.open(key, nonce, ad, sealed)
    left('opened')
    sealed[4100] = (sealed[4100] as number) ^ 1
    assert.equal(c.open(key, nonce, ad, sealed), undefined)
    left('not opened')
  })

  // OpenSSL 3.5 notes no error for a wrong tag, so one is noted here in its place.
  test('EVP: a record that does not open leaves no error of OpenSSL’s for the next TLS connection to find', () => {
    const { ERR_new, ERR_set_error, ERR_peek_error } = nativeFunctions<{
      ERR_new: () => void
      ERR_set_error: (library: number, reason: number, text: number) => void
      ERR_peek_error: () => number
    }>({
      ERR_new: 'void ERR_new()',
      ERR_set_error: 'void ERR_set_error(int library, int reason, int64_t text, ...)',
      ERR_peek_error: 'unsigned long ERR_peek_error()',
    })
    const cipher = chacha().recordCipher(new Uint8Array(32))
    ERR_new()
    ERR_set_error(6, 100, NULL)
    assert.notEqual(ERR_peek_error(), 0)
    assert.equal(cipher.open(new Uint8Array(12), new Uint8Array(100)), undefined)
    assert.equal(ERR_peek_error(), 0)
  })
}

const unlike = (change: Partial<Chacha>) => () => ({ ...nodeChacha, ...change })
const broken: { name: string; make: (plain: Chacha) => Chacha }[] = [
  {
    name: 'cannot be made',
    make: () => {
      throw new Error('no koffi')
    },
  },
  { name: 'seals wrongly', make: unlike({ seal: () => {} }) },
  { name: 'opens nothing', make: unlike({ open: () => undefined }) },
  { name: 'opens everything', make: unlike({ open: (_key, _nonce, _ad, sealed) => sealed.subarray(0, -16) }) },
  {
    name: 'fails at its first call',
    make: unlike({
      seal: () => {
        throw new Error('refused')
      },
    }),
  },
  {
    name: 'opens what was changed',
    make: unlike({
      open: (key, nonce, ad, sealed) => {
        const clear = nodeChacha.open(key, nonce, ad, sealed)
        return clear ?? EMPTY
      },
    }),
  },
]
for (const { name, make } of broken)
  test(`a cipher that ${name} is not taken`, () => assert.equal(chooseChacha(make, nodeChacha), nodeChacha))

test('a cipher that works is taken', () => {
  const works = { ...nodeChacha }
  assert.equal(
    chooseChacha(() => works, nodeChacha),
    works,
  )
})

test('each thread has a cipher of its own, and their records are the same', async () => {
  const program = `
    const { parentPort, workerData } = require('node:worker_threads')
    import(workerData).then(({ chacha }) => {
      const into = new Uint8Array(116)
      for (let i = 0; i < 500; i++) chacha().seal(new Uint8Array(32), new Uint8Array(12), new Uint8Array(3), into.subarray(0, 100), into, 0)
      parentPort.postMessage(Buffer.from(into).toString('hex'))
    })`
  const workerData = new URL('./choose-chacha.ts', import.meta.url).href
  const answers = [1, 2].map(
    () =>
      new Promise<string>((resolve, reject) => {
        const worker = new Worker(program, { eval: true, workerData })
        worker.once('message', resolve).once('error', reject)
      }),
  )
  const own = new Uint8Array(116)
  for (let i = 0; i < 500; i++)
    nodeChacha.seal(new Uint8Array(32), new Uint8Array(12), new Uint8Array(3), own.subarray(0, 100), own, 0)
  assert.deepEqual(await Promise.all(answers), [own.toHex(), own.toHex()])
})
