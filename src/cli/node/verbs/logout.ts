/** `sett logout`: leaves the network for good; coming back takes a new login. */

import { MeshError } from '../../../base/errors.ts'
import type { Command, Context } from '../command.ts'
import { text } from '../flags.ts'
import { quoteList } from '../go-words.ts'

export const logout: Command = {
  name: 'logout',
  usage: 'sett logout',
  short: 'Disconnect from Tailscale and expire current node key',
  long: 'The node key is of no use after this: coming back takes a new login.',
  flags: { reason: text('reason for the logout, if required by a policy') },
  async run({ node, flags, args }: Context): Promise<void> {
    if (args.length > 0) throw new MeshError('input/invalid', `too many non-flag arguments: ${quoteList(args)}`)
    await node.logout(flags.text('reason'))
  },
}
