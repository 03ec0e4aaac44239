/** `sett admin tailnets` and `sett admin status`: the server as a whole. */

import type { Command } from 'commander'
import type { ServerStatus, Tailnet } from '../../../wire/api/sett-objects.ts'
import { confirm, show } from '../context.ts'
import type { Begin } from '../context.ts'
import { printLines, printTable, showTime } from '../print.ts'
import { parseSettings } from '../settings.ts'

export function addTailnets(admin: Command, begin: Begin): void {
  const tailnets = admin.command('tailnets').description('tailnets of the server: list, create, settings')

  tailnets
    .command('list')
    .description('list the tailnets')
    .action(async () => {
      const context = begin()
      await show(context, await context.client.listTailnets(), ({ tailnets }) =>
        printTable(context.out, HEAD, tailnets.map(row), 'No tailnets.'),
      )
    })

  tailnets
    .command('create <NAME>')
    .description('add a tailnet, apart from all others')
    .action(async (name: string) => {
      const context = begin()
      const tailnet = await context.client.createTailnet({ body: { name } })
      confirm(context, `Created ${tailnet.name} (${tailnet.domain})`, tailnet)
    })

  tailnets
    .command('settings [CHANGES...]')
    .description('show the settings of a tailnet, or change some: devicesApprovalOn=true')
    .action(async (changes: string[]) => {
      const context = begin()
      const { client, tailnet } = context
      const settings =
        changes.length === 0
          ? await client.getSettings({ tailnet })
          : await client.patchSettings({ tailnet, body: parseSettings(changes) })
      await show(context, settings, (settings) =>
        printLines(
          context.out,
          Object.entries(settings).map(([name, value]) => [name, String(value)]),
        ),
      )
    })
}

export function addStatus(admin: Command, begin: Begin): void {
  admin
    .command('status')
    .description('show the server and its tailnets')
    .action(async () => {
      const context = begin()
      await show(context, await context.client.getStatus(), (status) => {
        printLines(context.out, [
          ['Server', status.url],
          ['Version', status.version],
          ['Started', showTime(status.started)],
          ['Certificate', describeCertificate(status.certificate)],
        ])
        context.out.write('\n')
        printTable(context.out, HEAD, status.tailnets.map(row), 'No tailnets.')
      })
    })
}

/** Nothing where there is none to speak of. */
function describeCertificate(certificate: ServerStatus['certificate']): string {
  if (certificate === undefined) return ''
  const { expires, failed } = certificate
  const trouble = failed === undefined ? '' : `; it could not be replaced at ${showTime(failed)}, the log says why`
  return `${expires === undefined ? 'none yet' : `until ${showTime(expires)}`}${trouble}`
}

const HEAD = ['ID', 'NAME', 'DOMAIN', 'DEVICES', 'ONLINE', 'USERS', 'CREATED']

function row(tailnet: Tailnet): string[] {
  const { id, name, domain, deviceCount, onlineCount, userCount, created } = tailnet
  return [id, name, domain, String(deviceCount), String(onlineCount), String(userCount), showTime(created)]
}
