/**
 * What both kinds of pump have in common: the arena with its places, the cipher, and how they are driven. Each is
 * driven by a thread of its own, or both by one (worker.ts, both.ts), or each by the main thread (drive.ts).
 */

import type { Mono } from '../../../base/clock.ts'
import type { InPlaceCipher } from '../../../crypto/in-place.ts'
import { CIPHER_BYTES, inPlaceCipher, TRIAL_BYTES } from '../../../crypto/io/choose-in-place.ts'
import { NodeInPlace } from '../../../crypto/io/node-in-place.ts'
import { Arena } from '../../../crypto/io/raw-memory.ts'
import { DropCounts, Filter } from '../../data-path.ts'
import { FlowTable } from '../../filter/flows.ts'
import { VerdictCounts } from '../../filter/verdict.ts'
import type { Memory } from '../../packet/memory.ts'
import { memoryOf } from '../../packet/memory.ts'
import { MAILBOX, Mailbox } from '../udp.ts'
import { HandOver } from './hand-over.ts'
import type { FromPump, PumpSetup, ToPump } from './messages.ts'
import { Waiter, WAITER_BYTES } from './waiter.ts'
import { makeWasmMemory, makeWordSum } from './word-sums.ts'

export interface Pump {
  /** Takes a word of the engine's. */
  take(message: ToPump, now: Mono): void
  /**
   * Moves what there is to be moved, up to a limit, after a wait.
   *
   * @returns may there be more?
   * @throws MeshError `system/refused` when device or socket are gone
   */
  turn(now: Mono): boolean
  /** Waits for its descriptors and the doorbell, which is the first of them. */
  readonly waiter: Waiter
  readonly arena: Arena
}

/** Places in a pump's arena. Eight bytes that may be overwritten: for the doorbell. */
export const SPARE_AT = 0
const WAITER_AT = 64
const MAILBOX_AT = WAITER_AT + WAITER_BYTES
const CIPHER_AT = MAILBOX_AT + MAILBOX
/** Where what is read stands: a virtio header and a packet, or datagrams. A packet begins at a multiple of four. */
export const READ_AT = 1024 + 2
/** What a read of the device gives at most, and more than datagrams come in one piece. */
export const READ_MOST = 65_600
const OWN_AT = READ_AT + READ_MOST + 6

/** What a pump is made of. */
export interface PumpParts {
  readonly arena: Arena
  readonly memory: Memory
  readonly cipher: InPlaceCipher
  readonly waiter: Waiter
  readonly mailbox: Mailbox
  readonly filter: Filter
  readonly drops: DropCounts
  readonly verdicts: VerdictCounts
  readonly handOver: HandOver
  /** Where the memory of its direction of the data path begins. */
  readonly at: number
}

/**
 * @param ownBytes how much memory its direction of the data path takes
 * @param waiter descriptors to wait for behind the doorbell; or another pump's waiter, which waits for them too
 */
export function pumpParts(
  setup: PumpSetup,
  ownBytes: number,
  waiter: Waiter | readonly number[],
  post: (message: FromPump) => void,
): PumpParts {
  const { shared, plain, doorbell } = setup
  const wasm = plain ? undefined : makeWasmMemory(OWN_AT + ownBytes)
  const arena = new Arena(wasm === undefined ? OWN_AT + ownBytes : wasm.buffer)
  const memory = memoryOf(arena.buffer, wasm && makeWordSum(wasm))
  const drops = new DropCounts(shared.drops)
  return {
    arena,
    memory,
    cipher: plain ? new NodeInPlace(memory.bytes) : inPlaceCipher(arena, CIPHER_AT, READ_AT),
    waiter: waiter instanceof Waiter ? waiter : new Waiter(arena, WAITER_AT, [doorbell, ...waiter]),
    mailbox: new Mailbox(arena, MAILBOX_AT),
    filter: new Filter(new FlowTable(shared.flows), new FlowTable(shared.jailedFlows)),
    drops,
    verdicts: new VerdictCounts(shared.verdicts),
    handOver: new HandOver(shared.words, post, drops),
    at: OWN_AT,
  }
}

if (
  CIPHER_AT + CIPHER_BYTES > READ_AT ||
  CIPHER_AT % 16 !== 0 ||
  TRIAL_BYTES > READ_MOST ||
  OWN_AT % 4 !== 0 ||
  READ_AT % 4 !== 2
)
  throw new Error('Places in the arena do not fit together')
