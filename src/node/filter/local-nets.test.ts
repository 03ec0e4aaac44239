import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseIp, prefix, prefixContains } from '../../base/ip.ts'
import type { Ip } from '../../base/ip.ts'
import { localNets } from './local-nets.ts'
import type { Locality } from './local-nets.ts'

const ip = (text: string): Ip => parseIp(text) as Ip
const NOBODY: Locality = {
  addresses: [ip('100.64.0.1'), ip('fd7a:115c:a1e0::1')],
  services: [],
  routes: [],
  interfaces: ['203.0.113.0/24', '192.168.7.0/24', '127.0.0.0/8', '2001:db8:5::/64', '203.0.113.0/25'].map(prefix),
  hostAddresses: ['203.0.113.9', '192.168.7.2', '127.0.0.1', '2001:db8:5::9', 'fe80::9'].map(ip),
  isAppConnector: false,
}
const EXIT = { ...NOBODY, routes: ['0.0.0.0/0', '::/0'].map(prefix) }

const ROWS: readonly { name: string; of: Locality; yes?: readonly string[]; no?: readonly string[] }[] = [
  {
    name: 'a node that routes nothing',
    of: NOBODY,
    yes: ['100.64.0.1', 'fd7a:115c:a1e0::1'],
    no: ['100.64.0.2', '203.0.113.9', '0.0.0.0', '::', '8.8.8.8'],
  },
  {
    name: 'a host of services',
    of: { ...NOBODY, services: [ip('100.64.9.9')] },
    yes: ['100.64.9.9'],
    no: ['100.64.9.8'],
  },
  {
    name: 'a subnet router',
    of: { ...NOBODY, routes: ['192.168.7.0/24', 'fd00:1::/64'].map(prefix) },
    yes: ['192.168.7.0', '192.168.7.255', 'fd00:1::ffff'],
    no: ['192.168.8.0', 'fd00:1:0:1::'],
  },
  {
    name: 'an exit node leads to the internet, and to the host at its public address',
    of: EXIT,
    yes: ['8.8.8.8', '0.0.0.0', '255.255.255.255', '203.0.112.255', '203.0.114.0', '203.0.113.9', '2001:db8:5::9'],
    no: ['203.0.113.8', '203.0.113.200', '2001:db8:5::8', '127.0.0.2'],
  },
  {
    name: 'an exit node leads to nothing private, not even at an address of its own',
    of: EXIT,
    yes: ['100.64.0.1', '11.0.0.0', '172.32.0.0', '192.169.0.0', '100.128.0.0', '240.0.0.1', 'fd00:1::1', 'fec0::1'],
    no: ['10.1.2.3', '172.16.0.1', '192.168.7.2', '169.254.1.1', '224.0.0.1', '100.64.0.2', 'fe80::9', 'ff02::1'],
  },
  {
    name: 'a network that is offered by name beside the internet',
    of: { ...EXIT, routes: [...EXIT.routes, prefix('192.168.7.0/24')] },
    yes: ['192.168.7.9'],
    no: ['192.168.8.9'],
  },
  {
    name: 'an exit in one family',
    of: { ...NOBODY, routes: [prefix('0.0.0.0/0')] },
    yes: ['8.8.8.8'],
    no: ['2001:db8::1'],
  },
  { name: 'an app connector', of: { ...NOBODY, isAppConnector: true }, yes: ['0.0.0.0', '::'], no: ['0.0.0.1', '::1'] },
]

test('what packets may be for', () => {
  for (const { name, of, yes = [], no = [] } of ROWS) {
    const nets = localNets(of)
    const isLocal = (text: string): boolean => nets.some((net) => prefixContains(net, ip(text)))
    assert.deepEqual([yes.filter((t) => !isLocal(t)), no.filter(isLocal)], [[], []], name)
  }
})
