/** `sett up`: onto the network, with these settings. */

import type { Command } from '../command.ts'
import { bool } from '../flags.ts'
import { acceptRisk } from '../risks.ts'
import { UP_FLAGS } from '../up-flags.ts'
import { runUp } from '../up-run.ts'

export const up: Command = {
  name: 'up',
  usage: 'sett up [flags]',
  short: 'Connect to Tailscale, logging in if needed',
  long: `Without flags, the node is back on its network with the settings it had; "sett down" is the opposite.

With flags, they are all the settings there shall be: one that differs from its default now and is not
mentioned would fall back to it, so that is refused, with the whole command line to use instead. With
--reset, that is what happens. To change one setting, use "sett set". (--auth-key, --force-reauth, --qr
and the like are no settings.)`,
  flags: {
    ...UP_FLAGS,
    json: bool(false, 'output in JSON format'),
    reset: bool(false, 'reset unspecified settings to their default values'),
    'force-reauth': bool(
      false,
      'log in again, even when logged in; the connection may break meanwhile, so not over SSH through it',
    ),
    'accept-risk': acceptRisk,
  },
  run: (context) => runUp('up', context),
}
