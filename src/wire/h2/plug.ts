/** The thinnest shell around a machine, for tests and benches: one end of a pipe. It shows how a real one works. */

import type { Bytes } from '../../base/bytes.ts'
import type { Mono } from '../../base/clock.ts'

/** What we need of Node's `Duplex`. */
export type Pipe = {
  on(event: string, listener: (chunk: Bytes) => void): unknown
  write(bytes: Bytes): unknown
  end(): unknown
  readonly writableNeedDrain: boolean
  readonly writableEnded: boolean
}

/** What a shell needs of a machine. */
type Machine<E> = {
  receive(bytes: Bytes, now: Mono): readonly E[]
  take(atMost?: number): readonly Uint8Array[]
  readonly due: boolean
  readonly finished: boolean
}

export type Plug = {
  /** Sends what is due, as far as the pipe takes it. */
  readonly flush: () => void
}

/**
 * Plugs a machine into a pipe.
 *
 * @param on hears each event
 * @param step bytes that the machine is given at a time
 */
export function plug<E>(
  machine: Machine<E>,
  pipe: Pipe,
  options: { readonly now: () => Mono; readonly on: (event: E) => void; readonly step?: number },
): Plug {
  const { now, on, step = Infinity } = options
  const flush = () => {
    while (machine.due && !pipe.writableNeedDrain) for (const piece of machine.take()) pipe.write(piece)
    if (machine.finished && !machine.due && !pipe.writableEnded) pipe.end()
  }
  pipe.on('drain', flush)
  pipe.on('end', () => pipe.end())
  pipe.on('data', (chunk) => {
    for (let at = 0; at < chunk.length; at += step)
      for (const event of machine.receive(chunk.subarray(at, Math.min(chunk.length, at + step)), now())) on(event)
    flush()
  })
  flush()
  return { flush }
}
