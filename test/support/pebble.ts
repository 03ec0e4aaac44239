/**
 * Debian's pebble, an ACME authority for tests, and beside it the DNS that it asks: every name leads to 127.0.0.1, or
 * to another address that a test says. It knocks at ports of the test's choice instead of 80 and 443.
 */

import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeSelfSigned } from '../../src/crypto/io/self-signed.ts'
import { Program } from '../e2e/program.ts'

export interface PebbleOptions {
  /** Keys in base64url by key id; with some, accounts need one. */
  readonly customers?: Readonly<Record<string, string>>
  /** How long certificates are good; five years if nobody says. */
  readonly validSeconds?: number
}

export class Pebble {
  /** File with the certificate by which the authority itself is to be trusted. */
  readonly trust: string
  /** Where it knocks. */
  readonly httpPort: number
  readonly tlsPort: number
  readonly directory: string
  readonly #folder: string
  readonly #ports: Readonly<Record<'dns' | 'dnsControl' | 'acme' | 'control', number>>
  readonly #options: PebbleOptions
  readonly #programs: Program[] = []
  readonly #ca: string

  private constructor(options: PebbleOptions, ports: readonly number[]) {
    const [dns = 0, dnsControl = 0, acme = 0, control = 0, httpPort = 0, tlsPort = 0] = ports
    this.#options = options
    this.#ports = { dns, dnsControl, acme, control }
    this.httpPort = httpPort
    this.tlsPort = tlsPort
    this.directory = `https://127.0.0.1:${acme}/dir`
    this.#folder = mkdtempSync(join(tmpdir(), 'sett-pebble-'))
    this.trust = join(this.#folder, 'cert.pem')
    const { cert, key } = makeSelfSigned(['127.0.0.1'], new Date())
    this.#ca = cert
    writeFileSync(this.trust, cert)
    writeFileSync(join(this.#folder, 'key.pem'), key)
  }

  static async start(options: PebbleOptions = {}): Promise<Pebble> {
    const pebble = new Pebble(options, await freePorts(6))
    try {
      await pebble.#start()
    } catch (error) {
      await pebble.stop()
      throw error
    }
    return pebble
  }

  async #start(): Promise<void> {
    const { dns, dnsControl, acme, control } = this.#ports
    const at = `127.0.0.1:${dnsControl}`
    const quiet = ['-defaultIPv6', '', '-http01', '', '-https01', '', '-tlsalpn01', '']
    const names = new Program('pebble-challtestsrv', ['-dns01', `127.0.0.1:${dns}`, '-management', at, ...quiet])
    this.#programs.push(names)
    const config = join(this.#folder, 'config.json')
    const { customers, validSeconds } = this.#options
    writeFileSync(
      config,
      JSON.stringify({
        pebble: {
          listenAddress: `127.0.0.1:${acme}`,
          managementListenAddress: `127.0.0.1:${control}`,
          certificate: this.trust,
          privateKey: join(this.#folder, 'key.pem'),
          httpPort: this.httpPort,
          tlsPort: this.tlsPort,
          externalAccountBindingRequired: customers !== undefined,
          ...(validSeconds === undefined ? {} : { certificateValidityPeriod: validSeconds }),
          ...(customers === undefined ? {} : { externalAccountMACKeys: customers }),
        },
      }),
    )
    // It refuses a third of all nonces, takes its time, and forgets what was proved.
    const env = { PEBBLE_WFE_NONCEREJECT: '33', PEBBLE_VA_SLEEPTIME: '1', PEBBLE_AUTHZREUSE: '0' }
    const pebble = new Program('pebble', ['-strict', '-config', config, '-dnsserver', `127.0.0.1:${dns}`], { env })
    this.#programs.push(pebble)
    await Promise.all([names.says(/Starting management server/), pebble.says(/ACME directory available/)])
  }

  /** The root above what it gives, PEM. */
  root(): Promise<string> {
    const { control } = this.#ports
    return new Promise((resolve, reject) => {
      const call = request(
        { host: '127.0.0.1', port: control, path: '/roots/0', ca: this.#ca, agent: false },
        (answer) => {
          let text = ''
          answer.setEncoding('utf8').on('data', (piece: string) => (text += piece))
          answer.on('end', () => resolve(text))
        },
      )
      call.on('error', reject)
      call.end()
    })
  }

  /** Where every name leads from now on. */
  async leadTo(ip: string): Promise<void> {
    const url = `http://127.0.0.1:${this.#ports.dnsControl}/set-default-ipv4`
    const answer = await fetch(url, { method: 'POST', body: JSON.stringify({ ip }) })
    if (!answer.ok) throw new Error(`pebble-challtestsrv: ${answer.status}`)
  }

  /** What it has said so far. */
  get log(): string {
    return this.#programs.map(({ out, err }) => out + err).join('')
  }

  async stop(): Promise<void> {
    await Promise.all(this.#programs.map((each) => each.end('SIGTERM')))
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** Ports of loopback that nobody listens on now. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}
