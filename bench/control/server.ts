/** The real server that is measured, as a process of its own: started, asked for a key, and looked at from outside. */

import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TestServer } from '../../test/support/server.ts'

export class MeasuredServer {
  readonly #server: TestServer
  readonly #folder: string
  /** Largest memory of processes that are over, in bytes. */
  #peakBefore = 0

  private constructor(server: TestServer, folder: string) {
    this.#server = server
    this.#folder = folder
  }

  /** Starts a server on an empty folder, on free ports of the loopback. */
  static async start(): Promise<MeasuredServer> {
    const folder = await mkdtemp(join(tmpdir(), 'sett-bench-'))
    const [port = 0, relayPort = 0, stun = 0, stun2 = 0] = await freePorts(4)
    const server = await TestServer.start({ dir: folder, port, relayPort, stunPorts: [stun, stun2] })
    return new MeasuredServer(server, folder)
  }

  get address(): { readonly host: string; readonly port: number } {
    const { hostname, port } = new URL(this.#server.url)
    return { host: hostname, port: Number(port) }
  }

  get pid(): number {
    return this.#server.pid
  }

  async savePolicy(policy: object): Promise<void> {
    await this.#server.api('POST', '/api/v2/tailnet/-/acl', policy)
  }

  /** A key that any number of nodes may join by, with a tag or as their user's. */
  async reusableKey(tag: string | undefined): Promise<string> {
    const create = {
      reusable: true,
      ephemeral: false,
      preauthorized: true,
      ...(tag === undefined ? {} : { tags: [tag] }),
    }
    const body = { capabilities: { devices: { create } }, expirySeconds: 86_400 }
    return (await this.#server.api<{ key: string }>('POST', '/api/v2/tailnet/-/keys', body)).key
  }

  /** CPU time of all its threads so far, in ms. */
  cpuMs(): number {
    // The scheduler's own account, in ns; the times in `stat` come in steps of 10 ms.
    const tasks = `/proc/${this.pid}/task`
    let ns = 0
    for (const task of readdirSync(tasks))
      ns += Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[0])
    return ns / 1e6
  }

  /** The most memory that it has had, in bytes; over all its starts. */
  peakBytes(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8')
    return Math.max(this.#peakBefore, Number(/^VmHWM:\s*(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024)
  }

  /** Stops it in good order and starts it again on the same data. */
  async restart(): Promise<void> {
    this.#peakBefore = this.peakBytes()
    await this.#server.stop()
    await this.#server.start()
  }

  async close(): Promise<void> {
    await this.#server.stop()
    await rm(this.#folder, { recursive: true, force: true })
  }
}

/** Ports that nobody listens on now. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      return server
    }),
  )
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map(async (server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
