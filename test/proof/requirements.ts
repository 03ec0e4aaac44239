/**
 * What the coordination server must do, by number, and which tests show it. The proof prints each with how many of
 * its tests passed; figures come from the benches.
 */

export interface Requirement {
  readonly number: string
  readonly what: string
  /** Files of tests (globs below the repository); all of their tests must have passed, and there must be some. */
  readonly tests?: readonly string[]
  /** Only tests whose names match count. */
  readonly named?: RegExp
  /** Rows of `bench/control.ts`, as the start of their names. */
  readonly rows?: readonly string[]
  /** Read by people; the documents that answer it. */
  readonly documents?: readonly string[]
}

export const REQUIREMENTS: readonly Requirement[] = [
  {
    number: '1.1',
    what: 'One package, its folders and layers, commands that name the Node they need',
    tests: ['test/layers.test.ts', 'test/e2e/pack*.test.ts', 'src/node/*.test.ts'],
  },
  {
    number: '1.2',
    what: 'README with its two commands; tests, proof and benches by one command each',
    documents: ['README.md', 'docs/proof.md'],
  },
  {
    number: '1.3',
    what: 'Documents for operators and contributors',
    documents: [
      'docs/running-a-server.md',
      'docs/behind-a-proxy.md',
      'docs/contributing.md',
      'docs/glossary.md',
      'docs/decisions.md',
      'docs/advisories.md',
      'docs/threat-model.md',
    ],
  },
  {
    number: '2.1',
    what: 'Starts without configuration; options by flag, file and variable',
    tests: ['src/coord/main.test.ts', 'src/coord/io/config/*.test.ts', 'src/coord/io/folder.test.ts'],
  },
  {
    number: '2.2',
    what: 'Defaults that official clients accept with no CA',
    tests: ['test/interop/join.test.ts', 'test/interop/tun.test.ts', 'src/relay/io/*.test.ts'],
  },
  {
    number: '2.3',
    what: 'Behind nginx, HAProxy and Caddy',
    tests: ['test/interop/proxy.test.ts', 'src/coord/io/http/forwarded.test.ts'],
  },
  {
    number: '2.4',
    what: 'The control protocol, items of control.md §16.1',
    tests: [
      'test/conformance/*.test.ts',
      'src/coord/io/control/*.test.ts',
      'src/crypto/*.test.ts',
      'src/wire/h2/*.test.ts',
    ],
  },
  {
    number: '2.5',
    what: 'Interactive login',
    tests: [
      'test/conformance/registration.test.ts',
      'src/coord/io/http/login-page.test.ts',
      'test/interop/join.test.ts',
    ],
    named: /login|link|follow-up|code|page/i,
  },
  {
    number: '2.6',
    what: 'Auth keys',
    tests: ['src/coord/rest/keys.test.ts', 'src/coord/model/credentials.test.ts', 'test/interop/join.test.ts'],
    named: /key/i,
  },
  {
    number: '2.7',
    what: 'Addresses and names',
    tests: ['src/coord/model/addressing.test.ts', 'src/base/dns-name.test.ts', 'src/coord/rest/devices.test.ts'],
  },
  {
    number: '2.8',
    what: 'The store and its engines',
    tests: ['src/coord/store/*.test.ts', 'src/coord/io/store/*.test.ts'],
  },
  {
    number: '2.9',
    what: 'Model, network map and streams',
    tests: ['src/coord/netmap/*.test.ts', 'src/coord/stream/*.test.ts', 'test/sim/*.test.ts'],
  },
  {
    number: '2.10',
    what: 'Relay and STUN',
    tests: ['src/relay/**/*.test.ts', 'src/wire/derp/*.test.ts', 'src/wire/stun.test.ts'],
  },
  {
    number: '2.11',
    what: 'The REST API',
    tests: ['src/coord/rest/*.test.ts', 'src/wire/api/*.test.ts', 'src/sdk/*.test.ts'],
  },
  { number: '2.12', what: 'sett admin', tests: ['src/cli/admin/*.test.ts', 'src/coord/io/admin-socket.test.ts'] },
  {
    number: '2.13',
    what: 'Logs, health, metrics; draining; nothing acknowledged is lost',
    tests: ['src/coord/io/log.test.ts', 'src/coord/io/http/routes.test.ts', 'test/e2e/*.test.ts'],
  },
  { number: '3.1', what: 'Official clients', tests: ['test/interop/*.test.ts'] },
  {
    number: '3.2',
    what: 'Two tailnets on one server see nothing of each other',
    tests: ['test/e2e/isolation*.test.ts', 'src/coord/rest/walk.test.ts'],
  },
  {
    number: '3.3',
    what: 'Golden vectors and fuzzing',
    tests: ['test/fuzz/*.test.ts', 'src/{base,wire,crypto}/**/*.test.ts'],
  },
  {
    number: '3.4',
    what: 'Hostile input, and published advisories as tests',
    tests: ['test/e2e/*.test.ts', 'src/coord/io/control/*.test.ts'],
  },
  { number: '3.5', what: 'Random kills under load', tests: ['test/kills/*.test.ts'] },
  {
    number: '3.6',
    what: 'The cost of the control plane',
    rows: [
      'joins begun',
      'register to map',
      'server CPU',
      'one endpoint change',
      'one more node',
      '20 changes',
      'restart',
      'peak memory',
      'enrolling',
      'one change',
    ],
  },
]
