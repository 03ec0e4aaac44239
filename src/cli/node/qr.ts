/** Draws a link as a QR code: on a terminal, or as a picture for programs. */

import { crc32, deflateSync } from 'node:zlib'
import { encode } from 'uqr'
import { MeshError } from '../../base/errors.ts'
import { quote } from './go-words.ts'

export const QR_FORMATS = ['auto', 'ascii', 'large', 'small'] as const
type QrFormat = (typeof QR_FORMATS)[number]

/** Light modules around the code, as readers want them (ISO/IEC 18004). */
const QUIET_ZONE = 4
const PICTURE_SIZE = 128

/** Lines of text. Light modules are drawn and dark ones left out, since most terminals are dark. @throws MeshError `input/invalid` */
export function qrText(link: string, format: string, env: Readonly<Record<string, string | undefined>>): string {
  if (!QR_FORMATS.includes(format as QrFormat))
    throw new MeshError('input/invalid', `unknown QR code format: ${quote(format)}`)
  const isUtf8 = /utf-?8/i.test(env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || '')
  const chosen = format === 'auto' ? (isUtf8 ? 'small' : 'ascii') : format
  const rows = modules(link)
  if (chosen !== 'small') {
    const light = chosen === 'ascii' ? '##' : '██'
    return rows.map((row) => `${row.map((dark) => (dark ? '  ' : light)).join('')}\n`).join('')
  }
  let text = ''
  for (let y = 0; y < rows.length; y += 2) {
    const [upper, lower] = [rows[y] as boolean[], rows[y + 1]]
    // Below the last row there is nothing to draw.
    text += `${upper.map((dark, x) => halves(dark, lower?.[x] ?? true)).join('')}\n`
  }
  return text
}

function halves(upperDark: boolean, lowerDark: boolean): string {
  if (upperDark) return lowerDark ? ' ' : '▄'
  return lowerDark ? '▀' : '█'
}

/** A PNG in a `data:` URL, 128 pixels wide. */
export function qrPicture(link: string): string {
  const rows = modules(link)
  const scale = Math.max(1, Math.floor(PICTURE_SIZE / rows.length))
  const size = Math.max(PICTURE_SIZE, rows.length)
  const margin = Math.floor((size - rows.length * scale) / 2)
  const stride = 1 + Math.ceil(size / 8)
  const pixels = Buffer.alloc(stride * size)
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++) {
      const dark = rows[Math.floor((y - margin) / scale)]?.[Math.floor((x - margin) / scale)] === true
      // A bit a pixel, 1 is white; the first byte of a row names its filter, 0 is none.
      if (!dark) (pixels[y * stride + 1 + (x >> 3)] as number) |= 0x80 >> (x & 7)
    }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(size, 0)
  header.writeUInt32BE(size, 4)
  // One bit of grey.
  header.set([1, 0, 0, 0, 0], 8)
  const png = Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(pixels)),
    chunk('IEND', Buffer.alloc(0)),
  ])
  return `data:image/png;base64,${png.toString('base64')}`
}

/** A chunk of a PNG: length, kind, data, checksum (RFC 2083 §3.2). */
function chunk(kind: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(kind, 'latin1'), data])
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)]
  length.writeUInt32BE(data.length)
  sum.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, sum])
}

/** Rows of modules, dark ones true, with the quiet zone. */
function modules(link: string): boolean[][] {
  return encode(link, { ecc: 'M', border: QUIET_ZONE }).data
}
