/** `sett login`: joins with a further account, beside those this machine has. */

import { MeshError } from '../../../base/errors.ts'
import type { Command } from '../command.ts'
import { text } from '../flags.ts'
import { quoteList } from '../go-words.ts'
import { UP_FLAGS } from '../up-flags.ts'
import { runUp } from '../up-run.ts'

export const login: Command = {
  name: 'login',
  usage: 'sett login [flags]',
  short: 'Log in to a Tailscale account',
  long: 'Other accounts of this machine are kept; "sett switch" goes back to one.',
  flags: { ...UP_FLAGS, nickname: text('short name for the account') },
  async run(context) {
    const { args, node } = context
    if (args.length > 0) throw new MeshError('input/invalid', `too many non-flag arguments: ${quoteList(args)}`)
    await node.newProfile()
    await runUp('login', context)
  },
}
