/** `sett admin invites`: links that let somebody join the tailnet, once each. */

import { Option } from 'commander'
import type { Command } from 'commander'
import { ROLES } from '../../../wire/api/words.ts'
import type { Role } from '../../../wire/api/words.ts'
import { Refused } from '../../../sdk/client.ts'
import type { UserInvite } from '../../../wire/api/account-objects.ts'
import { confirm, show } from '../context.ts'
import type { Begin, Context } from '../context.ts'
import { printTable, showTime } from '../print.ts'

export function addInvites(admin: Command, begin: Begin): void {
  const invites = admin
    .command('invites')
    .description('links that let somebody join, once each: create, list, resend, delete')

  invites
    .command('create')
    .description('make a link and print it; it is shown only now, and good for 30 days')
    .option('--email <ADDRESS>', 'whom it is for: becomes their login name where they use a passkey')
    .addOption(
      new Option('--role <ROLE>', 'what they will be')
        .choices(ROLES.filter((role) => role !== 'owner'))
        .default('member'),
    )
    .action(async ({ email, role }: { email?: string; role: Role }) => {
      const context = begin()
      const body = [{ role, ...(email === undefined ? {} : { email }) }]
      const [made] = await context.client.createUserInvites({ tailnet: context.tailnet, body })
      if (made !== undefined) await showLink(context, made)
    })

  invites
    .command('list')
    .description('list open invitations')
    .action(async () => {
      const context = begin()
      const all = await context.client.listUserInvites({ tailnet: context.tailnet })
      await show(context, all, async (all) => {
        const names = all.length === 0 ? new Map<string, string>() : await loginNames(context)
        printTable(
          context.out,
          ['ID', 'ROLE', 'FOR', 'BY', 'CREATED', 'EXPIRES'],
          all.map(({ id, role, email, inviterId, created, expires }) => [
            id,
            role,
            email ?? 'whoever has the link',
            inviterId === 0 ? 'server' : (names.get(String(inviterId)) ?? String(inviterId)),
            showTime(created),
            showTime(expires),
          ]),
          'No open invitations: `sett admin invites create` makes one.',
        )
      })
    })

  invites
    .command('resend <INVITE>')
    .description('make a new link in place of the one before, by id or address, once a minute')
    .action(async (text: string) => {
      const context = begin()
      const { id } = await find(context, text)
      await showLink(context, await context.client.resendUserInvite({ userInviteId: id }))
    })

  invites
    .command('delete <INVITE>')
    .description('take an invitation back, by id or address')
    .action(async (text: string) => {
      const context = begin()
      const { id, email } = await find(context, text)
      await context.client.deleteUserInvite({ userInviteId: id })
      confirm(context, `Deleted invitation ${id}${email === undefined ? '' : ` for ${email}`}`)
    })
}

/** Alone on its line, so that a script can take it as it is. */
async function showLink(context: Context, invite: UserInvite): Promise<void> {
  await show(context, invite, ({ inviteUrl = '' }) => context.out.write(`${inviteUrl}\n`))
}

async function find({ client, tailnet }: Context, text: string): Promise<UserInvite> {
  const all = await client.listUserInvites({ tailnet })
  const found =
    all.find(({ id }) => id === text) ?? all.find(({ email }) => email?.toLowerCase() === text.toLowerCase())
  if (found === undefined)
    throw new Refused(404, { message: `No open invitation "${text}": \`sett admin invites list\` shows them` })
  return found
}

async function loginNames({ client, tailnet }: Context): Promise<ReadonlyMap<string, string>> {
  const { users } = await client.listUsers({ tailnet })
  return new Map(users.map(({ id, loginName }) => [id, loginName]))
}
