/** `sett ping`: asks a peer for an answer inside the network, and tells which way it came. */

import { MeshError } from '../../../base/errors.ts'
import type { PingResult, PingType } from '../../../sdk/local-client-types.ts'
import { Exit } from '../command.ts'
import type { Command, Context } from '../command.ts'
import { bool, duration, int } from '../flags.ts'
import type { FlagValues } from '../flags.ts'
import { formatDuration, quote } from '../go-words.ts'
import { plainly } from '../no-daemon.ts'
import { findAddress, whyNotRunning } from '../peers.ts'
import { plain } from '../../plain.ts'

const PAUSE_MS = 1000

export const ping: Command = {
  name: 'ping',
  usage: 'sett ping <hostname-or-IP>',
  short: 'Ping a host at the Tailscale layer, see how it routed',
  long: `Each line says which way the answer came: directly, or over a relay. The first ones often come over
a relay, until a direct path is found; then ping stops. It also stops after 10 pings.

No packet enters the network stack of either machine (but for --icmp, of the other one). When this
ping is answered and an ordinary one is not, look for a firewall on one of the two machines.

The host is a node's name or address, or an address behind a subnet router.`,
  flags: {
    verbose: bool(false, 'verbose output'),
    'until-direct': bool(true, 'stop once a direct path is established'),
    tsmp: bool(false, 'do a TSMP-level ping (through WireGuard, but not either host OS stack)'),
    icmp: bool(false, 'do a ICMP-level ping (through WireGuard, but not the local host OS stack)'),
    peerapi: bool(false, "try hitting the peer's peerapi HTTP server"),
    c: int(10, 'max number of pings to send. 0 for infinity.'),
    timeout: duration(5000, 'timeout before giving up on a ping'),
    size: int(0, 'size of the ping message (disco pings only). 0 for minimum size.'),
  },
  run,
}

async function run(context: Context): Promise<void> {
  const { node, flags, args, at } = context
  const why = whyNotRunning(await plainly(node.status()))
  if (why !== undefined) {
    at.out.write(`${why}\n`)
    throw new Exit(1)
  }
  const [target] = args
  if (args.length !== 1 || target === undefined || target === '')
    throw new MeshError('input/invalid', 'usage: sett ping <hostname-or-IP>')
  const { ip, isSelf } = await findAddress(context, target)
  if (isSelf) return at.out.write(`${ip} is local Tailscale IP\n`)
  if (flags.bool('verbose') && ip !== target) at.err.write(`lookup ${quote(target)} => ${quote(ip)}\n`)

  const [count, type] = [flags.number('c'), typeOf(flags)]
  let answered = false
  for (let n = 1; ; n++) {
    const result = await once(context, ip, type)
    if (result === 'timeout') {
      at.out.write(`ping ${quote(ip)} timed out\n`)
      if (n !== count) continue
      if (!answered) throw new MeshError('input/invalid', 'no reply')
      return
    }
    if (result.Err !== '') {
      if (result.IsLocalIP !== true) throw new MeshError('api/refused', result.Err)
      return at.out.write(`${result.Err}\n`)
    }
    answered = true
    const latency = formatDuration(Math.round(result.LatencySeconds * 1000))
    const name = plain(result.NodeName)
    if (type === 'peerapi')
      return at.out.write(`hit peerapi of ${result.NodeIP} (${name}) at ${result.PeerAPIURL ?? ''} in ${latency}\n`)
    const port = result.PeerAPIPort ? `, ${result.PeerAPIPort}` : ''
    at.out.write(`pong from ${name} (${result.NodeIP}${port}) via ${wayOf(result, type)} in ${latency}\n`)
    if (type !== 'disco') return
    if (result.Endpoint !== '' && flags.bool('until-direct')) return
    if (n === count) {
      if (flags.bool('until-direct')) throw new MeshError('input/invalid', 'direct connection not established')
      return
    }
    await at.pause(PAUSE_MS)
  }
}

async function once({ node, flags }: Context, ip: string, type: PingType): Promise<PingResult | 'timeout'> {
  const signal = AbortSignal.timeout(Math.max(0, flags.number('timeout')))
  try {
    return await node.ping(ip, type, flags.number('size'), signal)
  } catch (error) {
    if (signal.aborted) return 'timeout'
    throw error
  }
}

function typeOf(flags: FlagValues): PingType {
  if (flags.bool('tsmp')) return 'TSMP'
  if (flags.bool('icmp')) return 'ICMP'
  return flags.bool('peerapi') ? 'peerapi' : 'disco'
}

function wayOf(result: PingResult, type: PingType): string {
  if (result.PeerRelay) return `peer-relay(${result.PeerRelay})`
  if (result.DERPRegionID !== 0) return `DERP(${plain(result.DERPRegionCode)})`
  return result.Endpoint === '' ? type : result.Endpoint
}
