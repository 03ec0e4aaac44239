/** `sett admin login`: devices that wait for somebody to say whose they are. */

import type { Command } from 'commander'
import { confirm, show } from '../context.ts'
import type { Begin } from '../context.ts'
import { printTable, showTime } from '../print.ts'

export function addLogin(admin: Command, begin: Begin): void {
  const login = admin.command('login').description('devices that wait to be let in: list, approve, refuse')

  login
    .command('list')
    .description('list the devices that wait')
    .action(async () => {
      const context = begin()
      await show(context, await context.client.listLogins(), ({ logins }) =>
        printTable(
          context.out,
          ['CODE', 'NODE', 'OS', 'FROM', 'KEY', 'ASKED', 'EXPIRES', 'TAGS'],
          logins.map((login) => [
            login.code,
            login.hostname,
            login.os,
            login.from,
            login.key,
            showTime(login.created),
            showTime(login.expires),
            login.requestTags.join(' '),
          ]),
          'Nobody waits.',
        ),
      )
    })

  login
    .command('approve <CODE>')
    .description('let a device join as a device of a user')
    .requiredOption('--user <NAME>', 'whose device it is')
    .action(async (code: string, { user }: { user: string }) => {
      const context = begin()
      const reply = await context.client.approveLogin({ tailnet: context.tailnet, code, body: { user } })
      confirm(context, `${reply.hostname || 'The device'} may join as a device of ${user}`, reply)
    })

  login
    .command('refuse <CODE>')
    .description('turn a device away')
    .option('--reason <TEXT>', 'what its user is told')
    .action(async (code: string, { reason }: { reason?: string }) => {
      const context = begin()
      const body = reason === undefined ? {} : { reason }
      const reply = await context.client.refuseLogin({ tailnet: context.tailnet, code, body })
      confirm(context, `${reply.hostname || 'The device'} was turned away`, reply)
    })
}
