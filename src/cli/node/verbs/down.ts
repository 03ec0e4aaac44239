/** `sett down`: leaves the network and stays logged in. */

import { MeshError } from '../../../base/errors.ts'
import type { Command, Context } from '../command.ts'
import { text } from '../flags.ts'
import { quoteList } from '../go-words.ts'
import { acceptRisk, isSshFromTailnet, takeRisk } from '../risks.ts'

export const down: Command = {
  name: 'down',
  usage: 'sett down',
  short: 'Disconnect from Tailscale',
  flags: { reason: text('reason for the disconnect, if required by a policy'), 'accept-risk': acceptRisk },
  run,
}

async function run({ node, flags, args, at }: Context): Promise<void> {
  if (args.length > 0) throw new MeshError('input/invalid', `too many non-flag arguments: ${quoteList(args)}`)
  if (isSshFromTailnet(at))
    await takeRisk(
      at,
      'lose-ssh',
      'You are connected over Tailscale; this action will disable Tailscale and result in your session disconnecting.',
      flags.text('accept-risk'),
    )
  const { BackendState } = await node.status().catch((cause: unknown) => {
    if (!(cause instanceof MeshError)) throw cause
    throw new MeshError(cause.code, `error fetching current status: ${cause.message}`, { cause })
  })
  if (BackendState === 'Stopped') return at.err.write('Tailscale was already stopped.\n')
  await node.editPrefs({ WantRunning: false, WantRunningSet: true }, flags.text('reason'))
}
