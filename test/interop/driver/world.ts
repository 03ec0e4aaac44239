/**
 * A server and machines around it, each in a namespace of its own on one switch, as most interop tests want them.
 *
 * Addresses are private ones, as at home. That decides how official clients come back to a plain HTTP server that was
 * away: at a private address they wait ten seconds after a refused connection, at a public one they try nothing but
 * port 443 for two minutes. Over TLS they do neither (control.md §3.2).
 */
import { join } from 'node:path'

import { labMissing } from '../../lab/available.ts'
import { Lab, type Cable, type Segment } from '../../lab/lab.ts'
import type { Namespace } from '../../lab/namespace.ts'
import { TestServer } from '../../support/server.ts'
import { type Built, buildClients, type ClientVersion, chosenClient, goMissing } from './build.ts'
import { makeAuthority } from './certificate.ts'
import { TsClients } from './tsclient.ts'

/** The first three numbers of all addresses on the switch. */
export const NET = '192.168.77'

export const SERVER_HOST = `${NET}.1`

/** The reason why these tests can't run here, or `false`: given to `skip`. */
export function interopMissing(): string | false {
  return labMissing() || goMissing()
}

/**
 * Clients before 1.82 know no pinned relay certificate (control.md §9): with them, the server and its relay need a
 * certificate that the clients trust.
 */
function needsTrustedRelay(version: ClientVersion): boolean {
  return version === 'v1.80'
}

export type WorldOptions = {
  /** Further flags of `sett coord`. */
  readonly serverArgs?: readonly string[]
  /** What clients are told, where that is not the server's own address. */
  readonly url?: string
  /** Serve TLS with a certificate of a test authority that the clients trust. */
  readonly tls?: boolean
  /** Serve no TLS whatever the clients need: a proxy does that. */
  readonly plainServer?: boolean
}

export class World {
  readonly lab: Lab
  readonly built: Built
  readonly segment: Segment
  readonly serverNamespace: Namespace
  readonly server: TestServer
  /** Environment of every client: whom to trust. */
  readonly clientEnv: Readonly<Record<string, string>>
  readonly #cables = new Map<string, Cable>()
  #machines = 0

  private constructor(parts: Pick<World, 'lab' | 'built' | 'segment' | 'serverNamespace' | 'server' | 'clientEnv'>) {
    this.lab = parts.lab
    this.built = parts.built
    this.segment = parts.segment
    this.serverNamespace = parts.serverNamespace
    this.server = parts.server
    this.clientEnv = parts.clientEnv
  }

  static async open(options: WorldOptions = {}): Promise<World> {
    const version = chosenClient()
    const built = await buildClients(version)
    const lab = await Lab.open()
    try {
      const segment = await lab.segment()
      const serverNamespace = await lab.namespace('server')
      await lab.plug(serverNamespace, segment, `${SERVER_HOST}/24`)
      const tls = options.plainServer !== true && (options.tls === true || needsTrustedRelay(version))
      const authority = makeAuthority(lab.dir, [SERVER_HOST, 'sett.example.com'])
      const server = await TestServer.start({
        dir: join(serverNamespace.dir, 'data'),
        host: SERVER_HOST,
        listen: '0.0.0.0',
        url: options.url ?? `http${tls ? 's' : ''}://${SERVER_HOST}:8080`,
        args: [...(tls ? ['--tls', `${authority.cert},${authority.key}`] : []), ...(options.serverArgs ?? [])],
        namespace: serverNamespace,
      })
      const clientEnv = { SSL_CERT_FILE: authority.root, TS_NO_LOGS_NO_SUPPORT: 'true' }
      return new World({ lab, built, segment, serverNamespace, server, clientEnv })
    } catch (error) {
      await lab.close()
      throw error
    }
  }

  /** The address that clients are given. */
  get control(): string {
    return this.server.url
  }

  /** A new machine on the switch, at NET.11, NET.12 and so on; what runs on it is the caller's matter. */
  async machine(name: string): Promise<Namespace> {
    const made = await this.lab.namespace(name)
    this.#cables.set(name, await this.lab.plug(made, this.segment, `${NET}.${10 + (this.#machines += 1)}/24`))
    made.addHost(SERVER_HOST, 'sett.example.com')
    return made
  }

  /** A new machine with a process of official clients on it. */
  async clients(name: string): Promise<TsClients> {
    return this.clientsOn(await this.machine(name))
  }

  clientsOn(machine: Namespace): TsClients {
    return new TsClients(machine, this.built.tsclient, this.clientEnv)
  }

  cable(name: string): Cable {
    const found = this.#cables.get(name)
    if (found === undefined) throw new Error(`there is no machine ${name}`)
    return found
  }

  /** Ends everything. SETT_LAB_KEEP=1 keeps state and logs, for a look after a failed test. */
  async close(): Promise<void> {
    await this.lab.close()
  }
}
