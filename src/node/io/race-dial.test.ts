import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { test } from 'node:test'
import { MeshError } from '../../base/errors.ts'
import type { Family } from '../../base/ip.ts'
import { RaceDial } from './race-dial.ts'
import type { DialOptions, DialTarget } from './race-dial.ts'
import { markedSocket } from './marked-socket.ts'

async function listen(host: string): Promise<Server> {
  const server = createServer((socket) => socket.on('error', () => socket.destroy()))
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  return server
}
const portOf = (server: Server): number => (server.address() as AddressInfo).port

function dial(port: number, target: Partial<DialTarget>, options: Partial<DialOptions> = {}): Promise<Socket> {
  const whole = { host: 'relay.test', port, ipv4: 'none', ipv6: 'none', ...target } as const
  return new Promise((connected, reject) => {
    const failed = (why: string): void => reject(new Error(why))
    return new RaceDial(whole, { ipv4DelayMs: 0, ...options }, { connected, failed })
  })
}

test('the first family to connect wins', async () => {
  const server = await listen('127.0.0.1')
  const port = portOf(server)
  const [v4, v6] = [{ ip: '127.0.0.1' }, { ip: '::1' }]
  const asked: string[] = []
  const resolve = async (host: string, family: Family): Promise<string> => {
    asked.push(`${host} ${family}`)
    if (family === 6) throw new Error('no such name')
    return '127.0.0.1'
  }
  const rows: { name: string; target: Partial<DialTarget>; options?: Partial<DialOptions> }[] = [
    { name: 'IPv4 alone', target: { ipv4: v4 } },
    { name: 'both, nobody at IPv6', target: { ipv4: v4, ipv6: v6 } },
    // IPv6 has failed: nobody waits an hour for it.
    { name: 'IPv6 first, nobody there', target: { ipv4: v4, ipv6: v6 }, options: { ipv4DelayMs: 3_600_000 } },
    { name: 'no IPv6 to wait for', target: { ipv4: v4 }, options: { ipv4DelayMs: 3_600_000 } },
    {
      name: 'IPv6 first, no answer at all',
      target: { ipv4: v4, ipv6: 'resolve' },
      options: { ipv4DelayMs: 1, resolve: async () => new Promise(() => {}) },
    },
    { name: 'by name', target: { ipv4: 'resolve', ipv6: 'resolve' }, options: { resolve } },
    { name: 'a socket made here', target: { ipv4: v4 }, options: { socketOf: (family) => markedSocket(family, 0) } },
  ]
  try {
    for (const { name, target, options } of rows) {
      const socket = await dial(port, target, options).catch((error: Error) => assert.fail(`${name}: ${error.message}`))
      assert.equal(socket.remotePort, port, name)
      socket.destroy()
    }
    assert.deepEqual(asked, ['relay.test 6', 'relay.test 4'])
  } finally {
    server.close()
  }
})

test('when no family is left, it says why for each', async () => {
  const server = await listen('127.0.0.1')
  const port = portOf(server)
  await new Promise((resolve) => server.close(resolve))
  await assert.rejects(dial(port, { ipv4: { ip: '127.0.0.1' } }), /ECONNREFUSED/)
  const none = { resolve: async (_: string, family: Family) => Promise.reject(new Error(`no ${family}`)) }
  await assert.rejects(dial(port, { ipv4: 'resolve', ipv6: 'resolve' }, none), /^Error: no 6; no 4$/)
  const refuses = (): Socket => {
    throw new MeshError('system/refused', 'not permitted')
  }
  await assert.rejects(dial(port, { ipv4: { ip: '127.0.0.1' } }, { socketOf: refuses }), /not permitted/)
})

test('a dial that is stopped is heard of no more', async () => {
  const server = await listen('127.0.0.1')
  const heard: string[] = []
  const target = {
    host: 'relay.test',
    port: portOf(server),
    ipv4: { ip: '127.0.0.1' },
    ipv6: 'none',
  } as const
  const events = { connected: () => void heard.push('connected'), failed: (why: string) => void heard.push(why) }
  new RaceDial(target, { ipv4DelayMs: 0 }, events).stop()
  // Another one that begins later and connects shows that the first has had its time.
  const socket = await dial(portOf(server), { ipv4: { ip: '127.0.0.1' } })
  assert.deepEqual(heard, [])
  socket.destroy()
  server.close()
})

test('a mark is set where that is permitted, and refused otherwise', async () => {
  const server = await listen('127.0.0.1')
  const options = { socketOf: (family: Family) => markedSocket(family, 0x80000) }
  try {
    const socket = await dial(portOf(server), { ipv4: { ip: '127.0.0.1' } }, options)
    socket.destroy()
  } catch (error) {
    assert.match((error as Error).message, /Cannot mark what a TCP socket sends: operation not permitted/i)
  } finally {
    server.close()
  }
})
