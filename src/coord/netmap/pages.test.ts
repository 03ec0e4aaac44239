import { test } from 'node:test'
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { Pages } from './pages.ts'

interface Item {
  id: number
  slot: number
  profile: number
  isShown: boolean
  isRouter: boolean
  text: string
}
const itemOf = (id: number, text: string): Item => ({
  id,
  slot: id,
  profile: id % 7,
  isShown: id % 11 !== 0,
  isRouter: id % 5 === 0,
  text,
})
const bytes = new TextEncoder()
const texts = new TextDecoder()

test('pages hold what was put in, in order, and their frames are never stale', () => {
  const step = fc.record({
    act: fc.constantFrom('insert', 'insert', 'insert', 'remove', 'touch'),
    id: fc.integer({ min: 1, max: 2000 }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), fc.nat(300), (steps, ahead) => {
      const pages = new Pages<Item>((text) => bytes.encode(text))
      const items = new Map<number, Item>()
      const read = () =>
        [...pages]
          .map(({ whole }) => texts.decode(pages.shared(whole, (item) => item.text)))
          .filter((text) => text !== '')
          .join(',')
      const insert = (id: number) => {
        if (items.has(id)) return
        items.set(id, itemOf(id, `${id}:0`))
        pages.insert(items.get(id) as Item)
      }
      for (let id = 1; id <= ahead; id++) insert(id * 3)
      for (const [n, { act, id }] of steps.entries()) {
        const item = items.get(id)
        if (act === 'insert') insert(id)
        else if (item !== undefined && act === 'remove') {
          pages.remove(item)
          items.delete(id)
        } else if (item !== undefined) {
          item.text = `${id}:${n}`
          pages.touch(item)
        }
        if (n % 50 === 0) read()
      }
      const shown = [...items.values()].filter(({ isShown }) => isShown).sort((a, b) => a.id - b.id)
      const want = shown.map((item) => item.text)
      assert.equal(read(), want.join(','))
      for (const page of pages) assert.ok(page.items.length > 0 && page.items.length <= 128)
      assert.deepEqual(
        [...pages].flatMap(({ whole }) => [...whole.slots]),
        shown.map(({ slot }) => slot),
      )
      assert.deepEqual(
        [...pages].flatMap(({ whole }) => whole.routers),
        shown.filter(({ isRouter }) => isRouter),
      )
      assert.deepEqual(
        new Set([...pages].flatMap(({ whole }) => [...whole.profiles])),
        new Set(shown.map(({ profile }) => profile)),
      )
    }),
    { numRuns: 60 },
  )
})

test('a change compresses one page anew and no other', () => {
  let compressed = 0
  const pages = new Pages<Item>((text) => {
    compressed++
    return bytes.encode(text)
  })
  const items = Array.from({ length: 1000 }, (_, i) => itemOf(i + 1, String(i)))
  for (const item of items) pages.insert(item)
  const read = () => {
    for (const { whole } of pages) pages.shared(whole, (item) => item.text)
  }
  read()
  assert.equal(compressed, 16)
  pages.touch(items[500] as Item)
  read()
  read()
  assert.equal(compressed, 17)
})
