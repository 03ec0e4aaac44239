/**
 * What the control channel's shell hands to the core: requests inside Noise, and a way to answer them.
 *
 * The shell (io/control) upgrades, runs Noise and HTTP/2 and collects bodies; whoever answers sees none of it.
 */

import type { MachineKey } from '../base/keys.ts'

export interface ControlRequest {
  /** The machine that this connection's Noise handshake proved. Anybody can have one. */
  readonly machineKey: MachineKey
  /** Capability version of the Noise handshake. */
  readonly version: number
  /** IP address the client asks from, as far as trusted proxies tell. */
  readonly from: string
  readonly method: string
  /** Path without query. */
  readonly path: string
  readonly query: string
  /** The whole body, whatever the method; at most 1 MiB. */
  readonly body: Uint8Array
}

/** The answer to one request. Exactly one of `answer` and `start` is called, once. */
export interface ControlReply {
  answer(status: number, body?: string | Uint8Array, headers?: readonly (readonly [string, string])[]): void
  /** Begins a streamed answer with status 200. */
  start(): void
  /** Adds to a streamed answer; whatever is due on one connection leaves in one socket write. */
  write(bytes: Uint8Array): void
  end(): void
  /** Bytes written that the client's window or the socket has not taken yet. */
  readonly queued: number
  /** Called whenever `queued` falls to zero. */
  onDrain(callback: () => void): void
  /** Called once when the stream is gone: reset, connection closed, or ended by us. */
  onClose(callback: () => void): void
}

export type ControlHandler = (request: ControlRequest, reply: ControlReply) => void

/** Reads one `Content-Type`-less reply in plain text, as clients show it. */
export const PLAIN: readonly (readonly [string, string])[] = [['content-type', 'text/plain; charset=utf-8']]
export const JSON_TYPE: readonly (readonly [string, string])[] = [['content-type', 'application/json']]
