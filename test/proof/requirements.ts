/**
 * What the parts of the program must do, by number, and which tests show it. The proof prints each with how many of
 * its tests passed; figures come from the benches.
 */

import { NODE } from './node-requirements.ts'

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

const SERVER: readonly Requirement[] = [
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
      'src/coord/people/pages/device.test.ts',
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

const POLICY: readonly Requirement[] = [
  { number: '1.1', what: 'HuJSON', tests: ['src/policy/hujson/*.test.ts'] },
  { number: '1.2', what: 'A checked policy with every section', tests: ['src/policy/document/*.test.ts'] },
  {
    number: '1.3',
    what: 'Compiled to sets, from which filters, visibility, routes, SSH rules, attributes and verdicts come',
    tests: ['src/policy/*.test.ts', 'test/policy/engine.test.ts', 'test/policy/changes.test.ts'],
  },
  {
    number: '1.4',
    what: 'A change costs what it touches; filters by name give the same verdicts',
    tests: [
      'test/sim/policies.test.ts',
      'test/policy/changes.test.ts',
      'test/policy/capability-sources.test.ts',
      'src/coord/netmap/*.test.ts',
    ],
  },
  {
    number: '1.5',
    what: 'Approvals, tags, attributes and postures act live',
    tests: ['src/coord/rest/attributes.test.ts', 'test/interop/policy-machines.test.ts', 'test/conformance/*.test.ts'],
    named: /approv|tag|posture|attribute|route|exit|item (?:19|38)/i,
  },
  {
    number: '1.6',
    what: 'Saving, history, rollback, a second administrator',
    tests: ['src/coord/rest/policy*.test.ts', 'src/coord/rest/long-work.test.ts'],
  },
  { number: '1.7', what: 'Access withdrawn while flows run', tests: ['test/interop/policy.test.ts'] },
  {
    number: '1.8',
    what: 'API and sett admin policy',
    tests: ['src/coord/rest/policy*.test.ts', 'src/coord/rest/attributes.test.ts', 'src/cli/admin/policy.test.ts'],
  },
  {
    number: '1.9',
    what: 'explain, diff, report',
    tests: ['src/policy/{explain,diff,report}/*.test.ts', 'test/policy/{explain,diff,report}.test.ts'],
  },
  { number: '2.1', what: 'Every recording of policies replayed', tests: ['test/golden/*.test.ts'] },
  { number: '2.2', what: 'HuJSON vectors', tests: ['src/policy/hujson/golden.test.ts'] },
  { number: '2.3', what: 'Tables by hand of what has no recordings', tests: ['test/policy/tables.test.ts'] },
  { number: '2.4', what: 'Properties against a plain evaluator', tests: ['test/policy/*.test.ts'] },
  { number: '2.5', what: 'Live with official clients', tests: ['test/interop/policy*.test.ts'] },
  {
    number: '2.6',
    what: 'Bad input',
    tests: ['src/policy/document/*.test.ts', 'src/policy/hujson/*.test.ts', 'src/coord/rest/policy.test.ts'],
    named: /refus|deep|cycl|prototype|duplicate|large|long|rules|limit|bound/i,
  },
  {
    number: '2.7',
    what: 'The cost of policies; more rows under "bench policy"',
    rows: ['with 20 tags'],
  },
]

const PEOPLE: readonly Requirement[] = [
  {
    number: '2.2',
    what: 'Routers that stand in for each other: killed 1 s, silent 5 s, goodbye 0.5 s, no switch for two stalls; approval',
    tests: [
      'test/interop/failover.test.ts',
      'test/sim/failover.test.ts',
      'src/coord/failover.test.ts',
      'src/coord/netmap/routes.test.ts',
      'src/coord/stream/*.test.ts',
      'src/coord/rest/routing.test.ts',
      'src/cli/admin/routes.test.ts',
    ],
  },
]

/** By part of the program, in the order in which they were asked for. */
export const REQUIREMENTS: readonly { readonly part: string; readonly rows: readonly Requirement[] }[] = [
  { part: 'The coordination server', rows: SERVER },
  { part: 'Policy', rows: POLICY },
  { part: 'The node', rows: NODE },
  { part: 'People and administration', rows: PEOPLE },
]
