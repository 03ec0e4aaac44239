/**
 * What the filter says of a packet: a number for the hot path, with a name, and for drops the reason under which
 * official clients count it (`tailscaled_outbound_dropped_packets_total{reason=…}` and its inbound twin).
 */

/** Numbers below `FIRST_DROP` let the packet pass. */
export const VERDICT = {
  /** An empty packet, which keeps a WireGuard session alive. */
  keepalive: 0,
  /** A later fragment; the kernel drops it where the first one did not come. */
  fragment: 1,
  /** An answer to our own ping, or an error about something of ours. */
  icmpResponse: 2,
  icmp: 3,
  /** Not the first packet of a connection. */
  tcpContinued: 4,
  tcp: 5,
  /** UDP or SCTP that answers what we sent. */
  flow: 6,
  datagram: 7,
  tsmp: 8,
  otherProtocol: 9,
  /** A connection to our own PeerAPI, which asks for itself who may do what. */
  peerApi: 10,
  outbound: 11,

  /** Nothing is known yet of who may come in. */
  noFilter: 16,
  tooShort: 17,
  unreadable: 18,
  multicast: 19,
  linkLocal: 20,
  /** For an address that is neither ours nor behind us. */
  notLocal: 21,
  noRule: 22,
  /** A protocol without ports that no rule lists. */
  noRuleForProtocol: 23,
} as const

export type VerdictName = keyof typeof VERDICT
export type Verdict = (typeof VERDICT)[VerdictName]

export const FIRST_DROP = 16
/** How many counters there are room for. */
export const VERDICTS = 24

/** A drop's reason in metrics. */
export type DropReason = 'acl' | 'multicast' | 'link_local_unicast' | 'too_short' | 'unknown_protocol'

/** Of what goes out; official clients count all that they drop of what comes in as `acl`. */
const REASONS: ReadonlyMap<Verdict, DropReason> = new Map<Verdict, DropReason>([
  [VERDICT.noFilter, 'acl'],
  [VERDICT.tooShort, 'too_short'],
  [VERDICT.unreadable, 'unknown_protocol'],
  [VERDICT.multicast, 'multicast'],
  [VERDICT.linkLocal, 'link_local_unicast'],
  [VERDICT.notLocal, 'acl'],
  [VERDICT.noRule, 'acl'],
  [VERDICT.noRuleForProtocol, 'acl'],
])

const NAMES = new Map<number, VerdictName>(
  (Object.keys(VERDICT) as VerdictName[]).map((name) => [VERDICT[name] as number, name]),
)

export function isAccepted(verdict: Verdict): boolean {
  return verdict < FIRST_DROP
}

export function nameOfVerdict(verdict: Verdict): VerdictName {
  return NAMES.get(verdict) as VerdictName
}

/**
 * Packets of one direction by verdict. One for each thread that evaluates, so that none waits for another; whoever reports adds them up.
 * The memory may be shared.
 */
export class VerdictCounts {
  static readonly BYTES = VERDICTS * Float64Array.BYTES_PER_ELEMENT
  readonly #counts: Float64Array

  constructor(buffer: ArrayBufferLike = new ArrayBuffer(VerdictCounts.BYTES)) {
    this.#counts = new Float64Array(buffer, 0, VERDICTS)
  }

  add(verdict: Verdict): void {
    this.#counts[verdict] = (this.#counts[verdict] as number) + 1
  }

  of(verdict: Verdict): number {
    return this.#counts[verdict] as number
  }

  /** Dropped packets by their reason in metrics, of one direction whose counts these are; only reasons that occurred. */
  dropped(direction: 'inbound' | 'outbound'): Map<DropReason, number> {
    const all = new Map<DropReason, number>()
    for (const [verdict, reason] of REASONS) {
      const name = direction === 'inbound' ? 'acl' : reason
      const count = this.of(verdict)
      if (count > 0) all.set(name, (all.get(name) ?? 0) + count)
    }
    return all
  }
}
