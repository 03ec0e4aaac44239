/** `sett whois`: the machine and the user behind an address, and what they may do here. */

import { MeshError } from '../../../base/errors.ts'
import { readWhoIs } from '../../../sdk/local-client.ts'
import { alignColumns } from '../columns.ts'
import type { Command, Context } from '../command.ts'
import { bool, text } from '../flags.ts'
import { goJson, indentJson } from '../json-text.ts'
import { plain } from '../../plain.ts'

export const whois: Command = {
  name: 'whois',
  usage: 'sett whois [--json] ip[:port]',
  short: 'Show the machine and user associated with a Tailscale IP (v4 or v6)',
  flags: {
    json: bool(false, 'output in JSON format'),
    proto: text('protocol; one of "tcp" or "udp"; empty means both'),
  },
  run,
}

async function run({ node, flags, args, at }: Context): Promise<void> {
  const [address] = args
  if (args.length > 1) throw new MeshError('input/invalid', 'too many arguments, expected at most one peer')
  if (address === undefined) throw new MeshError('input/invalid', 'missing argument, expected one peer')
  const said = await node.whoIsText(address, flags.text('proto'))
  if (said === undefined) throw new MeshError('input/invalid', 'peer not found')
  const { Node, UserProfile, CapMap } = readWhoIs(said)
  if (flags.bool('json')) return at.out.write(`${indentJson(said, '  ')}\n`)
  const [addresses, allowed] = [Node.Addresses ?? [], Node.AllowedIPs ?? []]
  const lines = [
    'Machine:',
    `  Name:\t${plain(Node.Name.replace(/\.$/, ''))}`,
    `  ID:\t${plain(Node.StableID)}`,
    `  Addresses:\t[${addresses.join(' ')}]`,
    // The first two are the node's own.
    ...(allowed.length > 2 ? [`  AllowedIPs:\t[${allowed.slice(2).join(' ')}]`] : []),
    ...((Node.Tags ?? []).length > 0
      ? [`  Tags:\t${plain((Node.Tags ?? []).join(', '))}`]
      : ['User:', `  Name:\t${plain(UserProfile.LoginName)}`, `  ID:\t${UserProfile.ID}`]),
  ]
  at.out.write(alignColumns(`${lines.join('\n')}\n`, { minWidth: 10, padding: 5 }))
  const capabilities = Object.entries(CapMap ?? {})
  if (capabilities.length > 0) at.out.write('Capabilities:\n')
  for (const [capability, values] of capabilities) {
    if (values === null || values.length === 0) at.out.write(`  - ${plain(capability)}\n`)
    else at.out.write(`  - ${plain(capability)}:\n      ${indentJson(goJson(values, ''), '  ', '      ')}\n`)
  }
}
