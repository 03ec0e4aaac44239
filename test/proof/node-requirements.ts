/** What the node must do, by number, and which tests and rows of benches show it. */

import type { Requirement } from './requirements.ts'

export const NODE: readonly Requirement[] = [
  {
    number: '1.1',
    what: 'The control session, items of control.md §16.2; goes on without its server, also after its own restart',
    tests: [
      'src/node/control/*.test.ts',
      'src/node/io/control.system.test.ts',
      'test/lab/node.test.ts',
      'test/lab/login.test.ts',
      'test/lab/faults.test.ts',
    ],
  },
  {
    number: '1.2',
    what: 'Engine, data path and pumps, with a plain path; WireGuard whole',
    tests: [
      'src/node/wireguard/*.test.ts',
      'src/node/data-path.test.ts',
      'src/node/packet/*.test.ts',
      'src/node/io/pump/*.test.ts',
      'src/crypto/io/*.test.ts',
      'test/lab/pump*.test.ts',
    ],
  },
  {
    number: '1.3',
    what: 'Paths and the relay client',
    tests: [
      'src/node/path/*.test.ts',
      'src/node/relay/*.test.ts',
      'src/node/io/relay.system.test.ts',
      'src/node/io/race-dial.test.ts',
      'test/sim/paths.test.ts',
    ],
  },
  { number: '1.4', what: 'The packet filter', tests: ['src/node/filter/*.test.ts', 'src/node/pings/*.test.ts'] },
  {
    number: '1.5',
    what: 'The machine: device, addresses, routes, firewall, and all of it undone',
    tests: ['src/node/routes/*.test.ts', 'src/node/io/host/*.test.ts', 'test/lab/host.test.ts', 'test/lab/tun.test.ts'],
  },
  {
    number: '1.6',
    what: 'State, preferences, profiles, local API, bus, health, PeerAPI; advisories 8, 9, 14, 15',
    tests: [
      'src/node/local/*.test.ts',
      'src/node/io/{state-file,local-api,health-watch,peer-api}.test.ts',
      'src/node/peer-api/*.test.ts',
      'test/conformance/data-plane-advisories.test.ts',
      'test/lab/pings.test.ts',
    ],
  },
  {
    number: '1.7',
    what: 'Flags of tailscaled; systemd units',
    tests: ['src/node/main.test.ts', 'test/e2e/service.system.test.ts'],
  },
  {
    number: '1.8',
    what: 'The ceiling of a deployment; requests of the server',
    tests: [
      'src/node/ceiling/*.test.ts',
      'src/node/c2n/*.test.ts',
      'src/node/io/{ceiling-file,server-requests}.test.ts',
      'test/lab/ceiling.test.ts',
    ],
  },
  {
    number: '2.1',
    what: 'The verbs of the command line',
    tests: ['src/cli/node/**/*.test.ts', 'test/lab/login.test.ts'],
  },
  {
    number: '2.2',
    what: 'The official command line drives our daemon, and ours an official one',
    tests: ['test/interop/node-cli.test.ts', 'test/interop/cli.test.ts'],
  },
  { number: '2.3', what: 'sett try', tests: ['test/e2e/try.system.test.ts'] },
  { number: '3.1', what: 'The laboratory', tests: ['test/lab/*.test.ts'] },
  {
    number: '3.2',
    what: 'Whole nodes on a simulated internet',
    tests: ['test/sim/tailnet.test.ts', 'test/sim/*.test.ts'],
  },
  { number: '3.3', what: 'Beside official nodes, on our server and theirs', tests: ['test/interop/node-*.test.ts'] },
  {
    number: '3.4',
    what: 'Golden vectors; wireguard-go as a peer',
    tests: ['test/conformance/golden.test.ts', 'src/**/*golden.test.ts', 'test/interop/node-wireguard.test.ts'],
  },
  { number: '3.5', what: 'Fuzzing, hostile lengths, a soak', tests: ['test/fuzz/*.test.ts', 'test/soak/*.test.ts'] },
]
