/**
 * Holds what this server's clients show against what a capture's clients showed.
 *
 * Both are taken apart into single statements, such as "peer kakuna: its AllowedIPs are …", so that a difference
 * names the one thing that differs. Sets are compared as sets and lists as lists; users by their login names and
 * machines by theirs, since numbers are each server's own.
 */

import type { Capture, CapMap, Shown, ShownNode, WireRule, WireSshRule } from './capture.ts'
import type { Exception } from './exceptions.ts'
import type { Outcome } from './observe.ts'

export interface Difference {
  /** Empty: it is about the answer to the policy. */
  readonly node: string
  readonly what: string
  /** `undefined`: nothing was, or nothing is, said. */
  readonly want: string | undefined
  readonly got: string | undefined
}

/** What they show, statement by statement. Lists are statements of one name with numbers behind it. */
type Statements = ReadonlyMap<string, string>

interface Design {
  readonly what: RegExp
  /** `unsaid`: only the capture says it; `added`: only this server says it. */
  readonly side: 'unsaid' | 'added' | 'either'
  readonly why: string
}

/** Where this server says something else on purpose, whatever the policy. */
const DESIGN: readonly Design[] = [
  {
    what: /^self CapMap default-auto-update$/,
    side: 'added',
    why: 'shown by the clients of later recordings only; where it is shown, its value counts',
  },
  {
    what: /^self CapMap tailnet\.maxKeyDuration$/,
    side: 'added',
    why: 'a setting of the tailnet that recordings do not have',
  },
  {
    what: /^dns (ExitNodeFilteredSet|Routes ts\.net)$/,
    side: 'unsaid',
    why: "names of the vendor's own network, which do not exist here",
  },
]

/** Every difference, in order of the nodes' names; the exceptions are left out. */
export function compare(capture: Capture, outcome: Outcome, exceptions: readonly Exception[]): Difference[] {
  const differences = compareAnswer(capture, outcome)
  let statements = 0
  const recorded = recordedBy(capture)
  for (const [node, want] of [...capture.shown].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const names = new Names(capture, want)
    const got = outcome.nodes.get(node)
    const said = statementsOf(want, names)
    statements += said.size
    if (got === undefined) {
      differences.push({ node, what: 'node', want: 'a map', got: undefined })
      continue
    }
    const says = statementsOf(asRecorded(got, want, recorded), new Names(capture, got))
    let found = compareNode(said, says)
    const second = want.netmap_packet_filter_rules
    if (second !== undefined && found.length > 0) {
      // Two readings of one thing at different moments: the map is right if it says either.
      const other = compareNode(statementsOf({ ...want, packet_filter_rules: second }, names), says)
      if (other.length < found.length) found = other
    }
    for (const difference of found) differences.push({ node, ...difference })
  }
  if (statements === 0) differences.push({ node: '', what: 'capture', want: 'something shown', got: undefined })
  return differences.filter(
    ({ node, what }) =>
      !exceptions.some((e) => e.id === capture.id && (e.node ?? node) === node && (e.what ?? /^/).test(what)),
  )
}

function compareAnswer(capture: Capture, { refused }: Outcome): Difference[] {
  const differences: Difference[] = []
  const expect = (what: string, want: string | undefined, got: string | undefined): void => {
    if (want !== got) differences.push({ node: '', what, want, got })
  }
  expect('status', String(capture.status), String(refused?.status ?? 200))
  expect('message', capture.message, refused?.message)
  return differences
}

/** Members that at least one client of the capture shows. */
function recordedBy(capture: Capture): ReadonlySet<string> {
  return new Set([...capture.shown.values()].flatMap((shown) => Object.keys(shown)))
}

/** Recordings leave these out where there is nothing to show; any other member that is left out was not recorded. */
const LEFT_OUT_IF_EMPTY: ReadonlySet<string> = new Set(['packet_filter_rules', 'ssh_rules', 'peer_caps'])

/** What is shown here without what was not recorded there. A filter always was. */
function asRecorded(got: Shown, want: Shown, recorded: ReadonlySet<string>): Shown {
  const isRecorded = (member: string): boolean =>
    member === 'packet_filter_rules' ||
    (LEFT_OUT_IF_EMPTY.has(member) ? recorded.has(member) : Object.hasOwn(want, member)) ||
    (member === 'ssh_rules' && recorded.has('ssh_policy'))
  return Object.fromEntries(Object.entries(got).filter(([member]) => isRecorded(member)))
}

type Found = Omit<Difference, 'node'>

function compareNode(want: Statements, got: Statements): Found[] {
  const found: Found[] = []
  const listed = new Set<string>()
  for (const what of new Set([...want.keys(), ...got.keys()])) {
    const [w, g] = [want.get(what), got.get(what)]
    if (w === g || isDesign(what, w, g)) continue
    // Nothing more of a peer that only one of them sees, and of a list only where it first differs.
    const peer = /^peer (\S+) ./.exec(what)?.[1]
    if (peer !== undefined && want.has(`peer ${peer}`) !== got.has(`peer ${peer}`)) continue
    const list = /^(.*)\[\d+\]$/.exec(what)?.[1]
    if (list !== undefined) {
      if (listed.has(list)) continue
      listed.add(list)
    }
    found.push({ what, want: w, got: g })
  }
  return found
}

function isDesign(what: string, want: string | undefined, got: string | undefined): boolean {
  return DESIGN.some(
    (design) =>
      design.what.test(what) &&
      (design.side === 'either' || (design.side === 'added' ? want === undefined : got === undefined)),
  )
}

/** Who is who in what a client shows: profiles by their numbers, and machines by their addresses. */
class Names {
  readonly #shown: Shown
  readonly #domain: string
  readonly #machines: ReadonlyMap<string, string>

  constructor(capture: Capture, shown: Shown) {
    this.#shown = shown
    this.#domain = capture.domain
    this.#machines = new Map(
      capture.nodes.flatMap(({ name, ipv4, ipv6 }) => [
        [ipv4, `${name}/4`],
        [ipv6, `${name}/6`],
      ]),
    )
  }

  login(user: number): string {
    return this.#shown.user_profiles?.[user]?.LoginName ?? `user ${user} without a profile`
  }

  machine(address: string): string {
    return this.#machines.get(address) ?? address
  }

  short(name: string): string {
    const suffix = `.${this.#domain}.`
    return name.endsWith(suffix) ? name.slice(0, -suffix.length) : name
  }
}

function statementsOf(shown: Shown, names: Names): Statements {
  const said = new Map<string, string>()
  for (const [i, rule] of (shown.packet_filter_rules ?? []).entries()) said.set(`filter[${i}]`, ruleText(rule))
  if (shown.ssh_policy !== undefined)
    for (const [i, rule] of (shown.ssh_policy?.rules ?? []).entries()) said.set(`ssh policy[${i}]`, sshText(rule))
  for (const [i, rule] of (shown.ssh_rules ?? []).entries()) said.set(`ssh rules[${i}]`, sshText(rule))
  if (shown.self !== undefined) sayNode(said, 'self', shown.self, names)
  for (const peer of shown.peers ?? []) {
    const name = `peer ${names.short(peer.Name ?? '')}`
    said.set(name, said.has(name) ? 'seen twice' : 'seen')
    sayNode(said, name, peer, names)
  }
  for (const [id, { ID, LoginName, DisplayName }] of Object.entries(shown.user_profiles ?? {}))
    said.set(`profile ${LoginName}`, String(ID) === id ? DisplayName : `${DisplayName}, under a number that is not its`)
  for (const [address, caps] of Object.entries(shown.peer_caps ?? {}))
    sayCaps(said, `granted to ${names.machine(address)}`, caps)
  const { Routes, ...dns } = shown.dns ?? {}
  for (const [field, value] of Object.entries(dns)) said.set(`dns ${field}`, canonical(value))
  for (const [suffix, resolvers] of Object.entries(Routes ?? {}))
    said.set(`dns Routes ${suffix.replace(/\.$/, '')}`, canonical(resolvers ?? []))
  return said
}

function sayNode(said: Map<string, string>, who: string, node: ShownNode, names: Names): void {
  const say = (field: string, value: string): unknown => said.set(`${who} ${field}`, value)
  if (node.Name !== undefined) {
    say('Name', node.Name)
    say('short name', node.name ?? names.short(node.Name))
  }
  if (node.User !== undefined) say('User', names.login(node.User))
  const addresses = node.Addresses ?? []
  say('Addresses', canonical(addresses))
  // Clients take what is absent for "its addresses".
  say('AllowedIPs', set(node.AllowedIPs ?? addresses))
  say('PrimaryRoutes', set(node.PrimaryRoutes ?? []))
  say('Tags', canonical(node.Tags ?? []))
  sayCaps(said, `${who} CapMap`, node.CapMap ?? {})
}

function sayCaps(said: Map<string, string>, where: string, caps: CapMap): void {
  for (const [name, values] of Object.entries(caps)) said.set(`${where} ${name}`, canonical(values))
}

function ruleText({ SrcIPs, IPProto, DstPorts, CapGrant, ...other }: WireRule): string {
  const ports = DstPorts?.map(({ IP, Ports: { First, Last }, ...rest }) => {
    const range = First === Last ? String(First) : `${First}-${Last}`
    return `${IP}·${range}${members(rest)}`
  })
  const grants = CapGrant?.map(
    ({ Dsts, CapMap, Caps, ...rest }) =>
      `${Dsts.join(' ')} may ${canonical(CapMap ?? {})}${members({ ...rest, ...(Caps?.length ? { Caps } : {}) })}`,
  )
  return [
    set(SrcIPs ?? []),
    ...(IPProto?.length ? [`protocol ${IPProto.join()}`] : []),
    ...(ports?.length ? [`-> ${ports.join(' ')}`] : []),
    ...(grants ?? []),
  ]
    .concat(members(other))
    .join(' ')
    .trim()
}

function sshText({ principals, acceptEnv, ...rest }: WireSshRule): string {
  const sources = principals.map((principal) =>
    Object.keys(principal).join() === 'nodeIP' ? String(principal['nodeIP']) : canonical(principal),
  )
  return `${sources.sort().join(' ')}${members({ ...rest, ...(acceptEnv?.length ? { acceptEnv } : {}) })}`
}

/** Members that are not looked at one by one still count. */
function members(rest: Readonly<Record<string, unknown>>): string {
  return Object.keys(rest).length === 0 ? '' : ` ${canonical(rest)}`
}

function set(texts: readonly string[]): string {
  return [...new Set(texts)].sort().join(' ') || 'none'
}

/** The same JSON for the same value, whatever the order of its members. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}
