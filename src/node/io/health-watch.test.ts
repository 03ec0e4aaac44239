import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Mono, Wall } from '../../base/clock.ts'
import { Bus } from '../local/bus.ts'
import { Health } from '../local/health.ts'
import { WATCH } from '../local/notice.ts'
import type { BusStart } from '../local/notice.ts'
import { DEFAULT_PREFS } from '../local/prefs.ts'
import { HealthWatch } from './health-watch.ts'
import type { HealthFacts } from './health-watch.ts'

const HOME = { home: 7, homeName: 'Vienna', homeConnected: true }
const WELL: HealthFacts = {
  prefs: { ...DEFAULT_PREFS, WantRunning: true },
  hasNetwork: true,
  needsLogin: false,
  inMapPoll: true,
  tunnel: HOME,
  routesPassedBy: false,
}
const newer = { RunningLatest: false, LatestVersion: '9.9', Notify: false, NotifyURL: '', NotifyText: '' }
const EXIT = ['0.0.0.0/0', '::/0']

class World {
  ms = 0
  readonly lines: string[] = []
  readonly health = new Health(() => new Uint8Array(32))
  readonly bus = new Bus('1')
  readonly watch: HealthWatch

  constructor() {
    const clocks = { mono: () => this.ms as Mono, wall: () => (1e12 + this.ms) as Wall }
    this.watch = new HealthWatch({ health: this.health, bus: this.bus, clocks })
    const send = (line: string): boolean => this.lines.push(line) > 0
    this.bus.watch({ mask: WATCH.initialHealth, sessionId: '', send }, { health: { Warnings: {} } } as BusStart)
    this.lines.length = 0
  }

  get codes(): string[] {
    return Object.keys(this.health.state(this.ms as Mono).Warnings)
  }
}

test('what is wrong is told by its code, after its time, and no more once it is right', () => {
  const off = { ...WELL.prefs, WantRunning: false }
  const rows: readonly (readonly [code: string, facts: Partial<HealthFacts>, afterMs?: number])[] = [
    ['network-status', { hasNetwork: false }, 5_000],
    ['wantrunning-false', { prefs: off, tunnel: HOME, inMapPoll: false }],
    ['login-state', { needsLogin: true, loginError: 'no such key' }],
    ['mapresponse-timeout', { inMapPoll: false }, 125_000],
    ['mapresponse-timeout', { inMapPoll: false, serverError: 'connect ECONNREFUSED 198.51.100.1:80' }, 125_000],
    ['node-key-in-use', { contested: true }],
    ['no-derp-home', { tunnel: { ...HOME, home: 0, homeConnected: false } }, 10_000],
    ['no-derp-connection', { tunnel: { ...HOME, homeConnected: false } }, 10_000],
    ['magicsock-receive-func-error', { tunnel: { ...HOME, failure: 'EIO' } }],
    ['ip-forwarding-off', { forwarding: 'Set net.ipv4.ip_forward.' }],
    ['nosnat-with-advertised-exit-node', { prefs: { ...WELL.prefs, NoSNAT: true, AdvertiseRoutes: EXIT } }],
    ['exit-node-unusable', { exitNodeError: 'The exit node is gone' }],
    ['invalid-packet-filter', { filterError: 'obsolete-rules' }],
    ['state-store-health', { storeError: 'no space left' }],
    ['peers-advertise-routes', { routesPassedBy: true }],
    ['update-available', { clientVersion: { ...newer, UrgentSecurityUpdate: false } }],
    ['security-update-available', { clientVersion: { ...newer, UrgentSecurityUpdate: true } }],
  ]
  for (const [code, facts, afterMs = 0] of rows) {
    const world = new World()
    try {
      world.watch.look(WELL)
      assert.deepEqual(world.codes, [], 'nothing is wrong')
      world.watch.look({ ...WELL, ...facts })
      if (afterMs > 0) {
        world.ms = afterMs - 1
        assert.deepEqual(world.codes, [], `${code}: not yet`)
      }
      world.ms = afterMs
      world.watch.look({ ...WELL, ...facts })
      assert.deepEqual(world.codes, [code])
      world.watch.tell()
      assert.match(world.lines.at(-1) ?? '', new RegExp(`"${code}"`))
      const told = world.lines.length
      world.watch.look({ ...WELL, ...facts })
      assert.equal(world.lines.length, told, `${code}: said once`)
      world.watch.look(WELL)
      assert.equal(world.lines.length, told + 1, `${code}: its end is told`)
      assert.deepEqual(world.codes, [])
    } finally {
      world.watch.close()
    }
  }
})

test('who is off, or has no tunnel to be without, is not told what follows from it', () => {
  const world = new World()
  const { tunnel: _, ...still } = WELL
  world.watch.look({ ...still, inMapPoll: false })
  world.ms = 1e7
  assert.deepEqual(world.codes, [])
  world.watch.close()
})
