/** `sett ip`: addresses of this node, a peer or a service, a line each. */

import { MeshError } from '../../../base/errors.ts'
import { canonicalIp } from '../../../base/ip.ts'
import type { Command, Context } from '../command.ts'
import { bool, text } from '../flags.ts'
import { quote } from '../go-words.ts'
import { findAddress, withAddress } from '../peers.ts'

export const ip: Command = {
  name: 'ip',
  usage: 'sett ip [-1] [-4] [-6] [peer or service hostname or ip address]',
  short: 'Show Tailscale IP addresses',
  long: 'Without a name, those of this machine.',
  flags: {
    '1': bool(false, 'only print one IP address'),
    '4': bool(false, 'only print IPv4 address'),
    '6': bool(false, 'only print IPv6 address'),
    assert: text("fail unless one of this node's addresses is this one"),
  },
  run,
}

async function run(context: Context): Promise<void> {
  const { node, flags, args, at } = context
  if (args.length > 1) throw new MeshError('input/invalid', 'too many arguments, expected at most one peer')
  const only = { one: flags.bool('1'), v4: flags.bool('4'), v6: flags.bool('6') }
  if (Object.values(only).filter(Boolean).length > 1)
    throw new MeshError('input/invalid', 'sett ip -1, -4, and -6 are mutually exclusive')
  const status = await node.status()
  let ips = status.TailscaleIPs ?? []
  const wanted = flags.text('assert')
  if (wanted !== '') {
    if (ips.includes(wanted)) return
    throw new MeshError('input/invalid', `assertion failed: IP ${quote(wanted)} not found among [${ips.join(' ')}]`)
  }
  const [of] = args
  if (of !== undefined && of !== '') {
    const { ip } = await findAddress(context, of)
    const found = withAddress(status, ip)?.TailscaleIPs ?? (await serviceAddresses(context, ip))
    if (found === undefined) throw new MeshError('input/invalid', `no peer or service found with IP ${ip}`)
    ips = found
  }
  if (ips.length === 0) throw new MeshError('input/invalid', `no current Tailscale IPs; state: ${status.BackendState}`)
  if (only.one) ips = ips.slice(0, 1)
  const shown = ips.filter((ip) => (ip.includes(':') ? !only.v4 : !only.v6))
  for (const ip of shown) at.out.write(`${ip}\n`)
  if (shown.length === 0) throw new MeshError('input/invalid', `no Tailscale IPv${only.v4 ? 4 : 6} address`)
}

async function serviceAddresses({ node }: Context, ip: string): Promise<readonly string[] | undefined> {
  const address = canonicalIp(ip)
  for (const { Addrs } of Object.values(await node.services()))
    if (address !== undefined && Addrs?.includes(address) === true) return Addrs
  return undefined
}
