/**
 * The STUN service: UDP sockets that tell nodes how their address looks from here. (derp.md §6)
 *
 * An answer must leave from the address that was asked, or a NAT drops it. Node can't choose the source of a
 * datagram, so on a wildcard address every address of this machine gets a socket of its own, beside one for
 * the addresses that come later.
 *
 * Such sockets of one port stand beside each other with SO_REUSEADDR only, which would as well let two programs
 * share the port, and one of them get nothing. So whether a port is free is tried without it first.
 */

import { createSocket } from 'node:dgram'
import type { RemoteInfo, Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'
import { parseIp, unmapIp } from '../../base/ip.ts'
import { decodeRequest, encodeResponse, isStun } from '../../wire/stun.ts'

export interface StunCounters {
  success: number
  not_stun: number
  write_error: number
  read_error: number
  ipv4: number
  ipv6: number
}

export interface StunServer {
  /** The ports in use, in the order they were asked for. */
  readonly ports: readonly number[]
  readonly counters: Readonly<StunCounters>
  close(): Promise<void>
}

/**
 * Answers binding requests on the given ports.
 *
 * @param host an address, or '' for all of both families
 * @param ports UDP ports; 0 takes a free one
 * @throws the system's error when a port can't be had in any family, or is taken in one
 */
export async function startStun(host: string, ports: readonly number[]): Promise<StunServer> {
  const counters: StunCounters = { success: 0, not_stun: 0, write_error: 0, read_error: 0, ipv4: 0, ipv6: 0 }
  const sockets: Socket[] = []
  const taken: number[] = []
  try {
    for (const port of ports) taken.push(await listenAll(host, port, counters, sockets))
  } catch (error) {
    await closeAll(sockets)
    throw error
  }
  return { ports: taken, counters, close: () => closeAll(sockets) }
}

async function listenAll(host: string, port: number, counters: StunCounters, sockets: Socket[]): Promise<number> {
  const wildcard = host === '' || host === '0.0.0.0' || host === '::'
  const families: readonly string[] = host === '' || host === '::' ? ['0.0.0.0', '::'] : [host]
  let bound = port
  let failure: unknown
  let some = false
  for (const address of families) {
    try {
      if (wildcard) bound = await freePort(address, bound)
      const socket = await listen(address, bound, counters, wildcard)
      sockets.push(socket)
      bound = socket.address().port
      some = true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') throw error
      failure = error
    }
  }
  if (!some) throw failure
  if (wildcard)
    for (const address of ownAddresses()) {
      if (host === '0.0.0.0' && isIPv6(address)) continue
      // An address that can't be had (just removed, say) is still answered by the wildcard socket.
      const socket = await listen(address, bound, counters, true).catch(() => undefined)
      if (socket !== undefined) sockets.push(socket)
    }
  return bound
}

function ownAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter((one) => one.scopeid === undefined || one.scopeid === 0)
    .map((one) => one.address)
}

/** The port, or a free one for 0, once it is certain that nobody else has it. */
async function freePort(address: string, port: number): Promise<number> {
  const socket = await bind(address, port, false)
  const free = socket.address().port
  await closeAll([socket])
  return free
}

async function listen(address: string, port: number, counters: StunCounters, shared: boolean): Promise<Socket> {
  const socket = await bind(address, port, shared)
  socket.on('message', (message, from) => answer(socket, message, from, counters))
  socket.on('error', () => counters.read_error++)
  return socket
}

async function bind(address: string, port: number, shared: boolean): Promise<Socket> {
  const v6 = isIPv6(address)
  const socket = createSocket({ type: v6 ? 'udp6' : 'udp4', ipv6Only: v6, reuseAddr: shared })
  socket.bind({ address, port, exclusive: true })
  try {
    await once(socket, 'listening')
  } catch (error) {
    socket.close()
    throw error
  }
  return socket
}

function answer(socket: Socket, message: Uint8Array, from: RemoteInfo, counters: StunCounters): void {
  const tx = isStun(message) ? decodeRequest(message) : undefined
  const seen = parseIp(from.address)
  if (tx === undefined || seen === undefined) {
    counters.not_stun++
    return
  }
  const ip = unmapIp(seen)
  if (ip.family === 4) counters.ipv4++
  else counters.ipv6++
  socket.send(encodeResponse(tx, { ip, port: from.port }), from.port, from.address, (error) => {
    if (error === null) counters.success++
    else counters.write_error++
  })
}

async function closeAll(sockets: readonly Socket[]): Promise<void> {
  await Promise.all(sockets.map((socket) => new Promise<void>((done) => socket.close(() => done()))))
}
