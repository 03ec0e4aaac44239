/** `sett switch`: lists the accounts of this machine, changes to another, forgets one. */

import { MeshError } from '../../../base/errors.ts'
import type { LoginProfile } from '../../../sdk/local-client-types.ts'
import { alignColumns } from '../columns.ts'
import { Exit } from '../command.ts'
import type { Command, Context } from '../command.ts'
import { bool } from '../flags.ts'
import { quote } from '../go-words.ts'
import { goJson } from '../json-text.ts'
import { whyNotRunning } from '../peers.ts'
import { plain } from '../../plain.ts'

const PAUSE_MS = 100

export const switchAccount: Command = {
  name: 'switch',
  usage: 'sett switch <id>\nsett switch --list [--json]',
  short: 'Switch to a different Tailscale account',
  long: 'An account is named by its id as --list shows it, by its tailnet, its account name or its display name.',
  flags: {
    list: bool(false, 'list available accounts'),
    json: bool(false, 'list available accounts in JSON format'),
  },
  subcommands: [
    {
      name: 'remove',
      usage: 'sett switch remove <id>',
      short: 'Remove a Tailscale account',
      long: 'The account itself lives on; this machine forgets it until somebody logs in again.',
      run: remove,
    },
  ],
  run,
}

async function run(context: Context): Promise<void> {
  const { node, flags, args, at } = context
  if (flags.bool('list')) return list(context, flags.bool('json'))
  if (flags.bool('json')) return end(context, '--json argument cannot be used with sett switch NAME')
  const [name] = args
  if (args.length !== 1 || name === undefined) return end(context, 'usage: sett switch NAME')
  const id = await chosen(context, name, 'Failed to switch to account')
  await saying(context, 'Failed to switch to account', node.switchProfile(id))
  at.out.write(`Switching to account ${quote(name)}\n`)
  for (;;) {
    const status = await saying(context, 'Error getting status', node.status(false))
    switch (status.BackendState) {
      case 'NoState':
      case 'Starting':
        await at.pause(PAUSE_MS)
        continue
      case 'NeedsLogin':
        return at.out.write('Logged out.\nTo log in, run:\n  sett up\n')
      case 'Running':
        return at.out.write('Success.\n')
      default:
        return end(context, whyNotRunning(status) ?? '')
    }
  }
}

async function remove(context: Context): Promise<void> {
  const [name] = context.args
  if (context.args.length !== 1 || name === undefined) return end(context, 'usage: sett switch remove NAME')
  await context.node.deleteProfile(await chosen(context, name, 'Failed to remove account'))
}

async function list({ node, at }: Context, asJson: boolean): Promise<void> {
  const [current, all] = [await node.currentProfile(), await node.profiles()]
  const tailnetOf = ({ NetworkProfile: { DisplayName, DomainName } }: LoginProfile): string => DisplayName || DomainName
  if (asJson) {
    const rows = all.map((profile) => ({
      id: profile.ID,
      nickname: profile.Name,
      tailnet: tailnetOf(profile),
      account: profile.UserProfile.LoginName,
      selected: profile.ID === current.ID,
    }))
    return at.out.write(`${goJson(rows, '  ')}\n`)
  }
  const rows = all.map((profile) =>
    [profile.ID, tailnetOf(profile), `${profile.Name}${profile.ID === current.ID ? '*' : ''}`].map(plain).join('\t'),
  )
  at.out.write(alignColumns(`${['ID\tTailnet\tAccount', ...rows].join('\n')}\n`, { minWidth: 2, padding: 2 }))
}

/** The id of the account that is meant; ends the command when there is none, or when it is the current one. */
async function chosen(context: Context, name: string, failure: string): Promise<string> {
  const { node, at } = context
  const current = await saying(context, failure, node.currentProfile())
  const all = await saying(context, failure, node.profiles())
  const found =
    all.find(({ ID }) => ID === name) ??
    all.find(({ NetworkProfile }) => NetworkProfile.DomainName === name) ??
    all.find(({ Name }) => Name === name) ??
    all.find(({ NetworkProfile }) => NetworkProfile.DisplayName === name)
  if (found === undefined) throw new MeshError('input/invalid', `No profile named ${quote(name)}`)
  if (found.ID !== current.ID) return found.ID
  at.out.write(`Already on account ${quote(name)}\n`)
  throw new Exit(0)
}

async function saying<T>({ at }: Context, words: string, asked: Promise<T>): Promise<T> {
  try {
    return await asked
  } catch (error) {
    if (!(error instanceof MeshError)) throw error
    at.err.write(`${words}: ${error.message}\n`)
    throw new Exit(1)
  }
}

function end({ at }: Context, words: string): never {
  at.out.write(`${words}\n`)
  throw new Exit(1)
}
