/**
 * Whom to dial for the control connection, and when: plain and TLS, the addresses of a dial plan, and how long all of
 * it may take (control.md §3.2). Pure arithmetic; dialling is the shell's, the race dialling.ts.
 */

import { isLoopback, isPrivate, parseIp } from '../../base/ip.ts'
import { MeshError } from '../../base/errors.ts'
import type { DialCandidate } from '../../wire/map-response.ts'

/** One try at a connection. */
export interface DialTarget {
  /** For TLS and the resolver. */
  readonly host: string
  readonly port: number
  readonly tls: boolean
  /** Where to connect to instead of asking for `host`. */
  readonly address?: string
  /** Since the dial began. */
  readonly startMs: number
  readonly timeoutMs: number
  /** Starts at once when this one of the list has failed. */
  readonly after?: number
}

/** The server as its address says; the path of the address is of no meaning. */
export interface ServerAddress {
  readonly url: string
  readonly host: string
  /** As the Host header has it. */
  readonly authority: string
  readonly secure: boolean
  readonly plainPort: number
  readonly tlsPort: number | undefined
}

/** Noise seals what goes over it, so the plain port is tried first; this is its lead. */
const TLS_DELAY_MS = 500
const HOSTED = 'https://controlplane.tailscale.com'
const HOSTED_SYNONYM = 'login.tailscale.com'

/** Reads the address of a server. Throws `config/invalid`. */
export function parseServerAddress(text: string): ServerAddress {
  const m = /^(https?):\/\/(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?(?:\/.*)?$/.exec(text.trim())
  const given = m?.[3] === undefined ? undefined : Number(m[3])
  if (m === null || (given !== undefined && (given === 0 || given > 65_535)))
    throw new MeshError('config/invalid', 'Cannot use this server: want http://HOST[:PORT] or https://HOST[:PORT]')
  const bracketed = (m[2] as string).toLowerCase()
  if (bracketed === HOSTED_SYNONYM) return parseServerAddress(HOSTED)
  const secure = m[1] === 'https'
  const host = bracketed.replace(/^\[(.*)\]$/, '$1')
  const authority = given === undefined ? bracketed : `${bracketed}:${given}`
  const address = { url: `${m[1]}://${authority}`, host, authority, secure }
  if (secure) return { ...address, plainPort: 80, tlsPort: given ?? 443 }
  return { ...address, plainPort: given ?? 80, tlsPort: isNearby(host) ? undefined : 443 }
}

function isNearby(host: string): boolean {
  const ip = parseIp(host)
  return host === 'localhost' || (ip !== undefined && (isPrivate(ip) || isLoopback(ip)))
}

/** How long a whole dial may take. */
export function dialBudgetMs(plan: readonly DialCandidate[]): number {
  const longest = Math.max(5, ...plan.map((each) => each.DialStartDelaySec + each.DialTimeoutSec))
  return 1000 * Math.min(60, Math.max(5, longest + 5))
}

/**
 * The targets by name.
 *
 * @param tlsFirst a plain connection was lost a moment ago, perhaps to something on the way that does not like it.
 *   The plain port is then tried only after TLS has failed: a server need not have TLS.
 */
export function dialTargets(server: ServerAddress, budgetMs: number, tlsFirst: boolean): DialTarget[] {
  return pair(server, {}, 0, budgetMs, tlsFirst)
}

/** The targets of a plan. Relays of the hosted service (`ACEHost`) are not spoken to. */
export function planTargets(server: ServerAddress, plan: readonly DialCandidate[], tlsFirst: boolean): DialTarget[] {
  const targets: DialTarget[] = []
  for (const { IP, ACEHost, DialStartDelaySec, DialTimeoutSec } of plan) {
    // A candidate without a time to be tried in fails at once.
    if (IP === undefined || ACEHost !== undefined || !(DialTimeoutSec > 0)) continue
    const at = Math.max(0, DialStartDelaySec) * 1000
    const timeout = Math.min(60, DialTimeoutSec) * 1000
    const offset = targets.length
    for (const target of pair(server, { address: IP }, at, timeout, tlsFirst))
      targets.push(target.after === undefined ? target : { ...target, after: target.after + offset })
    if (targets.length >= PLAN_MAX) break
  }
  return targets
}

/** A plan of more addresses is cut: dialling must not become a flood. */
const PLAN_MAX = 16

function pair(
  { host, plainPort, tlsPort }: ServerAddress,
  where: { readonly address?: string },
  startMs: number,
  timeoutMs: number,
  tlsFirst: boolean,
): DialTarget[] {
  const plain = { host, port: plainPort, tls: false, ...where, timeoutMs }
  if (tlsPort === undefined) return [{ ...plain, startMs }]
  const tls = { host, port: tlsPort, tls: true, ...where, timeoutMs }
  if (tlsFirst)
    return [
      { ...tls, startMs },
      { ...plain, startMs: Infinity, after: 0 },
    ]
  return [
    { ...plain, startMs },
    { ...tls, startMs: startMs + TLS_DELAY_MS, after: 0 },
  ]
}
