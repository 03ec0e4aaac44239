/** `sett admin users`: who there is in a tailnet, and what they may do. */

import { Argument, Option } from 'commander'
import type { Command } from 'commander'
import { Refused } from '../../../sdk/client.ts'
import { ROLES } from '../../../wire/api/words.ts'
import type { Role } from '../../../wire/api/words.ts'
import { confirm, findUser, show } from '../context.ts'
import type { Begin, Context } from '../context.ts'
import { mentionsOf } from '../policy-mentions.ts'
import { plain, printTable, showTime } from '../print.ts'

export function addUsers(admin: Command, begin: Begin): void {
  const users = admin.command('users').description('users: list, create, link, role, approve, suspend, restore, delete')

  users
    .command('list')
    .description('list the users')
    .action(async () => {
      const context = begin()
      await show(context, await context.client.listUsers({ tailnet: context.tailnet }), ({ users }) =>
        printTable(
          context.out,
          ['ID', 'LOGIN', 'NAME', 'ROLE', 'STATUS', 'DEVICES', 'SEEN'],
          users.map((user) => [
            user.id,
            user.loginName,
            user.displayName,
            user.role,
            user.status,
            String(user.deviceCount),
            user.currentlyConnected ? 'online' : showTime(user.lastSeen),
          ]),
          'No users yet: `sett admin users create NAME` adds one.',
        ),
      )
    })

  users
    .command('create <LOGIN>')
    .description('add a user; the first one of a tailnet owns it')
    .addOption(new Option('--role <ROLE>', 'what they may do; member if not given').choices([...ROLES]))
    .option('--display-name <NAME>', 'how others see them')
    .action(async (loginName: string, { role, displayName }: { role?: Role; displayName?: string }) => {
      const context = begin()
      const user = await context.client.createUser({
        tailnet: context.tailnet,
        body: {
          loginName,
          ...(role === undefined ? {} : { role }),
          ...(displayName === undefined ? {} : { displayName }),
        },
      })
      confirm(context, `Created ${user.loginName}, ${user.role}`, user)
    })

  users
    .command('link <LOGIN>')
    .description('make a link by which a user gets a way to log in, once; good for a day')
    .action(async (name: string) => {
      const context = begin()
      const { id: userId, loginName } = await findUser(context, name)
      const link = await context.client.linkUser({ userId })
      confirm(context, `For ${loginName}, good once until ${showTime(link.expires)}:\n\n  ${link.url}\n`, link)
    })

  users
    .command('role <LOGIN>')
    .description('give a user another role; a new owner makes the old one an admin')
    .addArgument(new Argument('<ROLE>', 'the role').choices([...ROLES]))
    .action(async (name: string, role: Role) => {
      const context = begin()
      const { id: userId } = await findUser(context, name)
      await context.client.setUserRole({ userId, body: { role } })
      const user = await context.client.getUser({ userId })
      confirm(context, `${user.loginName} is now ${user.role}`, user)
    })

  const standings = [
    ['approve', 'let a user in who waits for approval', 'approveUser'],
    ['suspend', 'cut off a user, with their devices and keys, until restored', 'suspendUser'],
    ['restore', 'undo a suspension', 'restoreUser'],
  ] as const
  for (const [verb, what, operation] of standings)
    users
      .command(`${verb} <LOGIN>`)
      .description(what)
      .action(async (name: string) => {
        const context = begin()
        const { id: userId } = await findUser(context, name)
        await context.client[operation]({ userId })
        const user = await context.client.getUser({ userId })
        confirm(context, `${user.loginName} is ${user.status}`, user)
      })

  users
    .command('delete <LOGIN>')
    .description('delete a user, with their devices and keys')
    .action(async (name: string) => {
      const context = begin()
      const { id: userId, loginName } = await findUser(context, name)
      await context.client.deleteUser({ userId })
      confirm(context, `Deleted ${loginName}`)
      await noteMentions(context, loginName)
    })
}

/** How many places are listed; where there are more, their number says enough. */
const MOST_LISTED = 10

/** Names that nobody has do no harm by themselves, but whoever gets the name later gets what it is given. */
async function noteMentions({ client, tailnet, err }: Context, login: string): Promise<void> {
  let text: string
  try {
    text = (await client.getPolicy({ tailnet })).text
  } catch (error) {
    // A token for users need not be one for policies.
    if (error instanceof Refused) return
    throw error
  }
  const mentions = mentionsOf(text, login)
  if (mentions.length === 0) return
  const places = mentions.slice(0, MOST_LISTED).map(({ section, line, column }) => `${section} (${line}:${column})`)
  if (mentions.length > MOST_LISTED) places.push(`${mentions.length - MOST_LISTED} more places`)
  const inTests = mentions.some(({ section }) => /^(sshTests|tests)$/i.test(section))
  err.write(
    `Note: the policy still names ${plain(login)}: ${plain(places.join(', '))}. ` +
      (inTests ? 'Its tests may fail now, and then no policy with them can be saved. ' : '') +
      'Whoever gets this login name later gets what it is given there.\n',
  )
}
