/** `sett version`: of this program, and with --daemon of the daemon. */

import { MeshError } from '../../../base/errors.ts'
import type { Command, Context } from '../command.ts'
import { bool, text } from '../flags.ts'
import { quoteList } from '../go-words.ts'
import { goJson } from '../json-text.ts'
import type { Version } from '../surroundings.ts'

export const version: Command = {
  name: 'version',
  usage: 'sett version [flags]',
  short: 'Print version',
  flags: {
    daemon: bool(false, "also print local node's daemon version"),
    json: bool(false, 'output in JSON format'),
    upstream: bool(false, 'ask for the latest release; there is no place yet that tells, so it fails'),
    track: text('which releases count as latest for --upstream'),
  },
  run,
}

async function run({ node, flags, args, at }: Context): Promise<void> {
  if (args.length > 0) throw new MeshError('input/invalid', `too many non-flag arguments: ${quoteList(args)}`)
  const daemon = flags.bool('daemon') ? (await node.status(false)).Version : undefined
  if (flags.bool('upstream'))
    throw new MeshError('input/invalid', 'fetching latest version not supported in this build')
  const own = at.version()
  if (flags.bool('json')) {
    const { majorMinorPatch, short, long, isUnstable, capability } = own
    const facts = {
      majorMinorPatch,
      short,
      long,
      ...(isUnstable ? { unstableBranch: true } : {}),
      ...(daemon === undefined ? {} : { daemonLong: daemon }),
      cap: capability,
    }
    return at.out.write(`${goJson(facts, '\t')}\n`)
  }
  at.out.write(daemon === undefined ? `${inWords(own)}\n` : `Client: ${inWords(own)}\nDaemon: ${daemon}\n`)
}

function inWords(own: Version): string {
  const track = own.isUnstable ? ['track: unstable (dev); frequent updates and bugs are likely'] : []
  return [own.short, ...track, `long version: ${own.long}`, own.runtime].join('\n  ')
}
