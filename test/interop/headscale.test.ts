/**
 * Official clients of a Headscale server go on with ours after `sett coord import headscale`: started from the state
 * that they had there, each comes up as who it was, without a login. Headscale's pre-auth keys let new clients in as
 * far as Headscale would have.
 *
 * The server, its relay and all clients are in one namespace with no way out: the clients' states name the server as
 * http://127.0.0.1:18090. Needs the newest clients, which alone are built as commands.
 */
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { Lab } from '../lab/lab.ts'
import type { Namespace } from '../lab/namespace.ts'
import type { LabProcess } from '../lab/process.ts'
import { SETT, TestServer } from '../support/server.ts'
import { type Built, buildClients, chosenClient, NEWEST } from './driver/build.ts'
import { type Ran, ranIn } from './driver/ran.ts'
import { type Status, until } from './driver/tsclient.ts'
import { interopMissing } from './driver/world.ts'

const FROM = fileURLToPath(new URL('../vectors/headscale-import/', import.meta.url))
const URL_OF_STATES = 'http://127.0.0.1:18090'
/** What Headscale's clients take to be back with Headscale itself. */
const BACK_MS = 20_000

type ExpectedNode = {
  readonly id: string
  readonly hostname: string
  readonly owner: string | null
  readonly dns_name: string
  readonly tags: readonly string[]
  readonly addresses: readonly string[]
  readonly machine_key: string
  readonly node_key: string
  readonly routes: { readonly approved: readonly string[] }
  readonly client: string
  readonly after_restart: { readonly backend_state: string }
}
type ExpectedKey = {
  readonly id: string
  readonly name: string
  readonly secret: string
  readonly user: string | null
  readonly tags: readonly string[]
  readonly reusable: boolean
  readonly ephemeral: boolean
  readonly usable: boolean
}
const expected = JSON.parse(readFileSync(join(FROM, 'expected.json'), 'utf8')) as {
  readonly nodes: readonly ExpectedNode[]
  readonly pre_auth_keys: readonly ExpectedKey[]
}

/** What a daemon keeps of who it is. */
function identityIn(folder: string): unknown {
  const state = JSON.parse(readFileSync(join(folder, 'tailscaled.state'), 'utf8')) as Record<string, string>
  const read = (name: string) => Buffer.from(state[name] ?? '', 'base64').toString()
  const profiles = JSON.parse(read('_profiles')) as Record<string, { ID: string; NodeID: string }>
  const [profile] = Object.values(profiles)
  const { Config } = JSON.parse(read(`profile-${profile?.ID}`)) as {
    Config: { PrivateNodeKey: string; NodeID: string }
  }
  return {
    machineKey: read('_machinekey'),
    profiles: Object.keys(profiles),
    node: profile?.NodeID,
    nodeKey: Config.PrivateNodeKey,
    stableId: Config.NodeID,
  }
}

const skip = interopMissing() || (chosenClient() === NEWEST ? false : 'only the newest clients are built as commands')

suite('clients of Headscale', { skip }, () => {
  let lab: Lab
  let place: Namespace
  let built: Built
  let server: TestServer
  const clients = new Map<string, Client>()

  /** An official daemon without a device of its own, several of which have room in one namespace. */
  class Client {
    readonly dir: string
    #daemon: LabProcess | undefined

    constructor(name: string, state?: string) {
      this.dir = join(place.dir, name)
      mkdirSync(this.dir)
      if (state !== undefined) cpSync(join(FROM, state, 'tailscaled.state'), this.stateFile)
    }

    get stateFile(): string {
      return join(this.dir, 'tailscaled.state')
    }

    start(): void {
      const at = ['--tun=userspace-networking', `--statedir=${this.dir}`, `--state=${this.stateFile}`]
      this.#daemon = place.spawn(built.tailscaled, [...at, `--socket=${this.dir}/sock`, '--port=0'], {
        env: { HOME: this.dir, TS_NO_LOGS_NO_SUPPORT: 'true' },
        log: join(this.dir, 'tailscaled.log'),
      })
    }

    async stop(): Promise<void> {
      await this.#daemon?.stop('SIGKILL')
    }

    run(...args: readonly string[]): Promise<Ran> {
      return ranIn(place, built.tailscale, [`--socket=${this.dir}/sock`, ...args])
    }

    async status(): Promise<Status> {
      return JSON.parse((await this.run('status', '--json')).out) as Status
    }

    async becomes(state: string): Promise<Status> {
      return until(
        `${this.dir} is ${state}`,
        async () => {
          const status = await this.status().catch(() => undefined)
          return status?.BackendState === state ? status : undefined
        },
        BACK_MS,
      )
    }

    identity(): unknown {
      return identityIn(this.dir)
    }
  }

  function client(name: string): Client {
    return clients.get(name) as Client
  }

  before(async () => {
    built = await buildClients(NEWEST)
    lab = await Lab.open()
    place = await lab.namespace('moved')
    // Without a route to elsewhere, clients take their network to be down.
    await lab.plug(place, await lab.segment(), '192.168.77.1/24')
    await place.ip('route', 'add', 'default', 'dev', 'eth0')
    const dir = join(place.dir, 'data')
    const { code, out, err } = await ranIn(place, SETT, [
      'coord',
      'import',
      'headscale',
      '--database',
      join(FROM, 'headscale.sqlite'),
      '--noise-key',
      join(FROM, 'noise_private.key'),
      '--config',
      join(FROM, 'config.yaml'),
      '--data',
      dir,
    ])
    assert.equal(code, 0, out + err)
    server = await TestServer.start({ dir, host: '127.0.0.1', port: 18090, namespace: place })
    for (const node of expected.nodes) clients.set(node.hostname, new Client(node.hostname, node.client))
  })
  after(async () => lab?.close())

  test('each comes up as who it was, and the expired one asks for a login', { timeout: 90_000 }, async (t) => {
    const began = performance.now()
    for (const each of clients.values()) each.start()
    for (const node of expected.nodes) {
      const status = await client(node.hostname).becomes(node.after_restart.backend_state)
      t.diagnostic(
        `${node.hostname} is ${status.BackendState} ${Math.round(performance.now() - began)} ms after the first was started`,
      )
      if (status.BackendState !== 'Running') continue
      assert.deepEqual(
        {
          addresses: status.TailscaleIPs,
          name: status.Self.DNSName,
          tags: status.Self.Tags ?? [],
          id: status.Self.ID,
          suffix: status.MagicDNSSuffix,
        },
        {
          addresses: node.addresses,
          name: node.dns_name,
          tags: node.tags,
          id: node.id,
          suffix: 'import.example',
        },
        node.hostname,
      )
      assert.ok(!(status.Health ?? []).some((line) => /log ?in|control/i.test(line)), String(status.Health))
    }
  })

  test('the server has those devices and no others, with the keys and routes that they had', async () => {
    const devices = await server.devices()
    assert.equal(devices.length, expected.nodes.length)
    for (const node of expected.nodes) {
      const device = devices.find(({ id }) => id === node.id)
      const { enabledRoutes, connectedToControl } = device as { enabledRoutes?: string[] } & NonNullable<typeof device>
      assert.deepEqual(
        [device?.nodeId, device?.machineKey, device?.nodeKey, device?.addresses, device?.tags ?? [], enabledRoutes],
        [node.id, node.machine_key, node.node_key, node.addresses, node.tags, node.routes.approved],
        node.hostname,
      )
      assert.equal(connectedToControl, node.after_restart.backend_state === 'Running', node.hostname)
      if (node.tags.length === 0) assert.equal(device?.user, `${node.owner}@example.com`)
    }
  })

  test('they see whom the policy shows them, and reach one another', { timeout: 60_000 }, async () => {
    const { Peer } = await client('anna-laptop').status()
    const names = Object.values(Peer ?? {}).map(({ DNSName }) => DNSName.split('.', 1).join())
    assert.deepEqual(names.sort(), ['anna-phone', 'router-1', 'web-1'])
    const router = Object.values(Peer ?? {}).find(({ HostName }) => HostName === 'router-1')
    assert.deepEqual(router?.PrimaryRoutes, ['10.77.0.0/16'])
    assert.equal((await client('carla-tablet').status()).Peer, null)
    const ping = await client('anna-laptop').run('ping', '--until-direct=false', '-c', '1', '--timeout=20s', 'web-1')
    assert.match(ping.out, /pong from web-1 \(100\.64\.0\.4\)/, ping.out + ping.err)
  })

  test(
    'the server sends no client away when it starts again, and each still keeps who it is',
    { timeout: 60_000 },
    async () => {
      await server.stop()
      await server.start()
      await until(
        'all are back',
        async () =>
          (await server.devices()).filter(({ connectedToControl }) => connectedToControl === true).length === 5,
        60_000,
      )
      for (const { hostname, client: state } of expected.nodes)
        assert.deepEqual(client(hostname).identity(), identityIn(join(FROM, state)), hostname)
    },
  )

  test('whoever had to log in is the same device afterwards', { timeout: 60_000 }, async () => {
    const ben = client('ben-box')
    const up = ben.run('up', `--login-server=${URL_OF_STATES}`, '--timeout=30s', '--hostname=ben-box')
    const url = await until('ben-box shows a link', async () => {
      const { AuthURL } = (await ben.status()) as Status & { AuthURL: string }
      return AuthURL === '' ? undefined : AuthURL
    })
    await server.approveLogin(url, 'ben@example.com')
    const { code, out, err } = await up
    assert.equal(code, 0, out + err)
    const { TailscaleIPs, Self } = await ben.becomes('Running')
    assert.deepEqual([TailscaleIPs, Self.ID], [['100.64.0.3', 'fd7a:115c:a1e0::3'], '3'])
    assert.equal((await server.devices()).length, expected.nodes.length)
  })

  for (const key of expected.pre_auth_keys)
    test(
      `the key ${key.name} ${key.usable ? 'lets a new client in' : 'lets nobody in'}`,
      { timeout: 60_000 },
      async () => {
        const joined = await join1(`new-${key.id}`, key.secret)
        if (!key.usable) return assert.match(joined.said, /invalid key: auth key [0-9a-f]{12} (has|was)/)
        assert.equal(joined.code, 0, joined.said)
        const device = await server.device(`new-${key.id}`, 'hostname')
        assert.deepEqual([device.tags ?? [], device.isEphemeral], [key.tags, key.ephemeral])
        if (key.user !== null) assert.equal(device.user, `${key.user}@example.com`)
        // Once more, now that the server knows it by another hash.
        const again = await join1(`again-${key.id}`, key.secret)
        if (key.reusable) assert.equal(again.code, 0, again.said)
        else assert.match(again.said, /was for one use and has been used/)
      },
    )

  test('a key with one digit wrong lets nobody in', { timeout: 60_000 }, async () => {
    const [key] = expected.pre_auth_keys as readonly [ExpectedKey]
    const { code, said } = await join1(
      'wrong',
      key.secret.replace(/.$/, (digit) => (digit === '0' ? '1' : '0')),
    )
    assert.notEqual(code, 0)
    assert.match(said, /there is no such auth key/)
  })

  /** A new client that joins by a key, or is told why it may not; and ends then. */
  async function join1(name: string, key: string): Promise<{ readonly code: number; readonly said: string }> {
    const fresh = new Client(name)
    fresh.start()
    try {
      await fresh.becomes('NeedsLogin')
      const { code, out, err } = await fresh.run(
        'up',
        `--login-server=${URL_OF_STATES}`,
        `--auth-key=${key}`,
        `--hostname=${name}`,
        '--timeout=10s',
      )
      return { code, said: out + err }
    } finally {
      await fresh.stop()
    }
  }
})
