/**
 * Decoders that take a stream as it comes. The same bytes in one piece, cut in two anywhere, and one by one are the
 * same messages; a piece may be overwritten once it has been taken; nothing is ever kept beyond the limit.
 */

import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { concat } from '../../src/base/bytes.ts'
import { nodePrimitives as p } from '../../src/crypto/io/node-primitives.ts'
import { NoiseReceiver } from '../../src/crypto/noise-transport.ts'
import { FrameReader as RelayReader } from '../../src/wire/derp/frame.ts'
import type { FrameRule } from '../../src/wire/derp/frame.ts'
import { clientRule, greetingRule, serverKeyRule, serverRule } from '../../src/wire/derp/messages.ts'
import { GREETING, request } from '../../src/wire/h2/by-hand.ts'
import { FrameReader as H2Reader } from '../../src/wire/h2/frames.ts'
import { MapFrameReader } from '../../src/wire/map-frame.ts'
import { RecordReader } from '../../src/wire/noise-frame.ts'
import { bytes, golden } from '../support/golden.ts'
import type { GoldenCase } from '../support/golden.ts'
import { decoder } from './decoder.ts'
import type { Decoder } from './decoder.ts'
import { bytesLike } from './shapes.ts'

/** A reader at work: takes a piece, and says in texts what it has found in it. */
type Reading = (piece: Uint8Array) => string[]

export interface StreamReader {
  readonly name: string
  readonly corpus: readonly Uint8Array[]
  readonly open: () => Reading
  /** The beginning of its longest message, and how much then follows. */
  readonly longest: { readonly head: Uint8Array; readonly body: number }
}

type Case = GoldenCase & { readonly [member: string]: string }
const streamsOf = (file: string, member: string, most: number, ...ops: string[]) =>
  golden<Case>(file, ...ops).flatMap((c) =>
    typeof c[member] === 'string' && c[member].length <= 2 * most ? [bytes(c[member])] : [],
  )

const [noise] = golden<Case>('noise.json', 'handshake') as [Case]

export const STREAM_READERS: readonly StreamReader[] = [
  {
    name: 'Noise records',
    corpus: streamsOf('noise.json', 'stream', 9000, 'read'),
    open() {
      const reader = new RecordReader(new NoiseReceiver(p.recordCipher(bytes(noise['key_client_to_server'] as string))))
      return (piece) => [...reader.push(piece).map((clear) => clear.toHex()), ...(reader.broken ? ['broken'] : [])]
    },
    longest: { head: bytes('040ffd'), body: 4093 },
  },
  {
    name: 'map frames',
    corpus: [...streamsOf('map-frame.json', 'frame', 2000, 'frame'), bytes('0000000001000000aa'), bytes('ffffffff00')],
    open() {
      const reader = new MapFrameReader(2000)
      return (piece) => [...reader.push(piece).map((frame) => frame.toHex()), ...(reader.broken ? ['broken'] : [])]
    },
    longest: { head: bytes('d0070000'), body: 2000 },
  },
  relay('relay frames, before the greeting', greetingRule, { head: bytes('0200040000'), body: 0x40000 }),
  relay('relay frames of a client', clientRule, { head: bytes('0400010020'), body: 65_568 }),
  relay('relay frames of a server', serverRule, { head: bytes('0500100000'), body: 1 << 20 }),
  relay('the key of a relay', serverKeyRule, { head: bytes('0100000400'), body: 1024 }),
  {
    name: 'HTTP/2 frames',
    corpus: [
      GREETING.subarray(24),
      request(1),
      concat([request(1, [['x', 'y'.repeat(300)]]), bytes('000005000000000001aabbccddee')]),
    ],
    open() {
      const reader = new H2Reader()
      let over = false
      return (piece) => {
        const found: string[] = []
        if (over) return found
        reader.push(piece)
        for (;;) {
          const frame = reader.next()
          if (frame === 'more') return found
          over = frame === 'too-large'
          if (frame === 'too-large') return [...found, frame]
          found.push(`${frame.type} ${frame.flags} ${frame.stream} ${frame.payload.toHex()}`)
        }
      }
    },
    longest: { head: bytes('004000000000000001'), body: 16_384 },
  },
]

function relay(name: string, rule: FrameRule, longest: StreamReader['longest']): StreamReader {
  const corpus = [
    ...streamsOf(
      'derp.json',
      'stream',
      1000,
      'client-read',
      'server-read',
      'server-reads-client-info',
      'client-reads-server-key',
    ),
    ...streamsOf('derp.json', 'frame', 1000, 'client-write', 'server-write'),
  ]
  return { name, corpus, longest, open: () => readRelay(new RelayReader(rule)) }
}

function readRelay(reader: RelayReader): Reading {
  let over = false
  return (piece) => {
    const found: string[] = []
    if (over) return found
    reader.push(piece)
    for (;;) {
      const got = reader.next()
      if (got === 'more') return found
      if (got === 'frame') found.push(`${reader.type} ${reader.body().toHex()}`)
      else found.push(got === 'skipped' ? `${reader.type} skipped` : got)
      over = got === 'refused'
      if (over) return found
    }
  }
}

/** All that a reader finds when the stream comes cut at these places. A broken stream is said once. */
function readCut(open: () => Reading, stream: Uint8Array, cuts: readonly number[]): string[] {
  const read = open()
  const found: string[] = []
  let from = 0
  for (const to of [...cuts, stream.length]) {
    const piece = stream.slice(from, to)
    found.push(...read(piece))
    // Whoever handed it over reuses it.
    piece.fill(0xa5)
    from = to
  }
  const broken = found.indexOf('broken')
  if (broken < 0) return found
  assert.ok(
    found.slice(broken).every((what) => what === 'broken'),
    'something came out of a broken stream',
  )
  return found.slice(0, broken + 1)
}

function streamDecoder({ name, corpus, open }: StreamReader): Decoder {
  return decoder({
    name: `streams of ${name}`,
    inputs: fc.tuple(bytesLike(corpus), fc.array(fc.nat(), { maxLength: 6 })),
    read([stream, places]) {
      const whole = readCut(open, stream, [])
      const same = (cuts: readonly number[]) => assert.deepEqual(readCut(open, stream, cuts), whole)
      same(places.map((place) => place % (stream.length + 1)).sort((a, b) => a - b))
      same(Array.from(stream.keys()))
      // Every place for short ones; for long ones their beginning, where the headers are, and some others.
      for (let at = 1; at < stream.length; at += at < 80 ? 1 : 1 + ((places[0] ?? 50) % 997)) same([at])
    },
    // It is read a hundred times over.
    memory: { fixed: 16 * 1024 * 1024, perByte: 100_000 },
  })
}

export const STREAMS: readonly Decoder[] = STREAM_READERS.map(streamDecoder)
