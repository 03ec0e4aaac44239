/** Every decoder of bytes and texts from outside: the table that fuzzing goes through. */

import { AUTHORITY } from './authority.ts'
import type { Decoder } from './decoder.ts'
import { FRAMES } from './frames.ts'
import { MACHINES } from './machines.ts'
import { MESSAGES } from './messages.ts'
import { NODE_PACKETS } from './node-packets.ts'
import { NODE_TEXTS } from './node-texts.ts'
import { SOCKETS } from './sockets.ts'
import { STREAMS } from './streams.ts'
import { TEXTS } from './texts.ts'

export const DECODERS: readonly Decoder[] = [
  ...TEXTS,
  ...FRAMES,
  ...STREAMS,
  ...MESSAGES,
  ...MACHINES,
  ...NODE_PACKETS,
  ...NODE_TEXTS,
  ...AUTHORITY,
  ...SOCKETS,
]
