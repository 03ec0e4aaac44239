/** `sett admin` against the REST API of a `RestWorld`: behind a real Unix socket, and on loopback for tokens. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runAdmin } from '../../src/cli/admin/main.ts'
import type { Identity } from '../../src/coord/rest/rest.ts'
import { RestWorld, SERVER_IDENTITY } from './rest-world.ts'

export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs one command line, in this process. */
export async function run(args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  let [out, err] = ['', '']
  const code = await runAdmin(args, {
    out: { write: (text) => void (out += text) },
    err: { write: (text) => void (err += text) },
    env,
  })
  return { code, out, err }
}

export class AdminWorld {
  readonly dir = mkdtempSync(join(tmpdir(), 'sett-admin-'))
  readonly socket = join(this.dir, 'admin.sock')
  readonly world: RestWorld
  url = ''
  readonly #servers: Server[] = []

  static async make(): Promise<AdminWorld> {
    const made = new AdminWorld(await RestWorld.make())
    await made.#serve(SERVER_IDENTITY, made.socket)
    const { port } = (await made.#serve(undefined, 0)).address() as AddressInfo
    made.url = `http://127.0.0.1:${port}`
    return made
  }

  private constructor(world: RestWorld) {
    this.world = world
  }

  close(): void {
    for (const server of this.#servers) {
      server.closeAllConnections()
      server.close()
    }
    rmSync(this.dir, { recursive: true })
  }

  /** Runs a command over the socket. */
  ran(...args: string[]): Promise<Ran> {
    return run(['--socket', this.socket, ...args])
  }

  /** Runs a command over the socket and wants it to be done without a word of complaint. */
  async admin(...args: string[]): Promise<string> {
    const { code, out, err } = await this.ran(...args)
    assert.deepEqual([code, err], [0, ''], args.join(' '))
    return out
  }

  async adminJson(...args: string[]): Promise<any> {
    return JSON.parse(await this.admin(...args, '--json'))
  }

  async #serve(identity: Identity | undefined, at: string | number): Promise<Server> {
    const server = createServer((req, res) => void this.#carry(req, res, identity))
    this.#servers.push(server)
    if (typeof at === 'string') server.listen(at)
    else server.listen(at, '127.0.0.1')
    await once(server, 'listening')
    return server
  }

  async #carry(req: IncomingMessage, res: ServerResponse, identity: Identity | undefined): Promise<void> {
    const parts: Buffer[] = []
    for await (const part of req) parts.push(part as Buffer)
    const { method = 'GET', headers } = req
    const request = new Request(`http://sett${req.url}`, {
      method,
      headers: headers as Record<string, string>,
      ...(method === 'GET' ? {} : { body: Buffer.concat(parts) }),
    })
    const response = await this.world.rest.fetch(request, identity)
    res.writeHead(response.status, Object.fromEntries(response.headers))
    res.end(await response.text())
  }
}
