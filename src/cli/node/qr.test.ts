/** A drawn link reads back as the link: a small reader of QR codes (ISO/IEC 18004) up to version 3 goes the other way. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inflateSync } from 'node:zlib'
import { qrPicture, qrText } from './qr.ts'

type Matrix = readonly (readonly boolean[])[]
const QUIET = 4

const MASKS: readonly ((y: number, x: number) => boolean)[] = [
  (y, x) => (y + x) % 2 === 0,
  (y) => y % 2 === 0,
  (_, x) => x % 3 === 0,
  (y, x) => (y + x) % 3 === 0,
  (y, x) => (Math.floor(y / 2) + Math.floor(x / 3)) % 2 === 0,
  (y, x) => ((y * x) % 2) + ((y * x) % 3) === 0,
  (y, x) => (((y * x) % 2) + ((y * x) % 3)) % 2 === 0,
  (y, x) => (((y + x) % 2) + ((y * x) % 3)) % 2 === 0,
]
/** Data bytes of versions 1 to 3 at level M, where they are one block. */
const DATA_BYTES = [16, 28, 44]
/** Of the first copy of the format, its five highest bits: level and mask. */
const FORMAT_XOR = 0b10101

/** The text of a code without its quiet zone. */
function read(code: Matrix): string {
  const size = code.length
  const version = (size - 17) / 4
  const at = (y: number, x: number): boolean => code[y]?.[x] === true
  const format = [0, 1, 2, 3, 4].reduce((bits, x) => (bits << 1) | Number(at(8, x)), 0) ^ FORMAT_XOR
  assert.equal(format >> 3, 0, 'level M')
  const mask = MASKS[format & 7] as (y: number, x: number) => boolean
  const isFixed = (y: number, x: number): boolean => {
    if (y === 6 || x === 6) return true
    if ((y < 9 && x < 9) || (y < 9 && x >= size - 8) || (y >= size - 8 && x < 9)) return true
    return version > 1 && Math.abs(y - (size - 7)) <= 2 && Math.abs(x - (size - 7)) <= 2
  }
  let bits = ''
  let up = true
  for (let right = size - 1; right > 0; right -= 2, up = !up) {
    if (right === 6) right--
    for (let step = 0; step < size; step++) {
      const y = up ? size - 1 - step : step
      for (const x of [right, right - 1]) if (!isFixed(y, x)) bits += at(y, x) === mask(y, x) ? '0' : '1'
    }
  }
  assert.equal(bits.slice(0, 4), '0100', 'bytes')
  const length = Number.parseInt(bits.slice(4, 12), 2)
  assert.ok(length + 2 <= (DATA_BYTES[version - 1] as number))
  const bytes = Array.from({ length }, (_, i) => Number.parseInt(bits.slice(12 + i * 8, 20 + i * 8), 2))
  return Buffer.from(bytes).toString('utf8')
}

/** Without the quiet zone, which must be light. */
function trimmed(drawn: Matrix): Matrix {
  const inner = drawn.slice(QUIET, drawn.length - QUIET).map((row) => row.slice(QUIET, row.length - QUIET))
  const dark = (rows: Matrix): number => rows.flat().filter(Boolean).length
  assert.equal(dark(drawn), dark(inner))
  return inner
}

function fromPicture(url: string): Matrix {
  const png = Buffer.from(url.slice(url.indexOf(',') + 1), 'base64')
  const rows = inflateSync(png.subarray(41, 41 + png.readUInt32BE(33)))
  const pixels = Array.from({ length: 128 }, (_, y) =>
    Array.from({ length: 128 }, (_, x) => ((rows[y * 17 + 1 + (x >> 3)] as number) & (0x80 >> (x & 7))) === 0),
  )
  // The finder in the corner begins where the first dark pixel is, and is seven modules wide.
  const top = pixels.findIndex((row) => row.includes(true))
  const left = (pixels[top] as boolean[]).indexOf(true)
  const scale = (pixels[top] as boolean[]).slice(left).indexOf(false) / 7
  const size = (128 - 2 * left - ((128 - 2 * left) % scale)) / scale
  return Array.from({ length: size }, (_, y) =>
    Array.from({ length: size }, (_, x) => pixels[top + y * scale]?.[left + x * scale] === true),
  )
}

test('a link reads back from every drawing of it', () => {
  for (const link of ['http://a/1', 'https://sett.example.com/a/ab', 'http://127.0.0.1:8080/login/xawszexfbrm8sf']) {
    const lines = (format: string): string[] => qrText(link, format, {}).trimEnd().split('\n')
    const double = (ink: string) => (line: string) => (line.match(/../gu) ?? []).map((cell) => cell !== ink)
    assert.equal(read(trimmed(lines('ascii').map(double('##')))), link)
    assert.equal(read(trimmed(lines('large').map(double('██')))), link)
    const halves = lines('small').flatMap((line) => [
      Array.from(line, (char) => char === ' ' || char === '▄'),
      Array.from(line, (char) => char === ' ' || char === '▀'),
    ])
    assert.equal(read(trimmed(halves.slice(0, halves[0]?.length))), link)
    assert.equal(read(fromPicture(qrPicture(link))), link)
  }
})

test('by itself a drawing is as fine as the terminal can show', () => {
  for (const [env, format] of [
    [{ LANG: 'en_US.UTF-8' }, 'small'],
    [{ LC_ALL: 'C', LANG: 'en_US.UTF-8' }, 'ascii'],
    [{}, 'ascii'],
  ] as const)
    assert.equal(qrText('http://a/1', 'auto', env), qrText('http://a/1', format, {}))
})
