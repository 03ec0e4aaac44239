/** `sett admin webhooks`: where events are posted to. */

import { Option } from 'commander'
import type { Command } from 'commander'
import type { Webhook } from '../../../wire/api/delivery-objects.ts'
import { SUBSCRIPTIONS } from '../../../wire/webhook-events.ts'
import type { Subscription } from '../../../wire/webhook-events.ts'
import { confirm, show } from '../context.ts'
import type { Begin } from '../context.ts'
import { printLines, printTable, showTime } from '../print.ts'
import { parseList } from '../words.ts'

interface CreateOptions {
  readonly events: string[]
  readonly type: Webhook['providerType']
}

const EVENTS = 'what it is told of: types of events or categories, separated by commas'
const ALL = ['categoryTailnetManagement', 'categoryDeviceMisconfigurations']
const NAMES = `\nEvents:\n${SUBSCRIPTIONS.map((name) => `  ${name}\n`).join('')}`

export function addWebhooks(admin: Command, begin: Begin): void {
  const webhooks = admin
    .command('webhooks')
    .description('endpoints that events are posted to: create, list, show, set, test, rotate, delete')
  webhooks
    .command('create <URL>')
    .description('add an endpoint and print the secret that deliveries are signed with; it is shown only now')
    .option('--events <EVENTS>', `${EVENTS}; everything if not given`, parseList, ALL)
    .addOption(
      new Option('--type <CHAT>', 'post what this chat takes, instead of the events themselves')
        .choices(['slack', 'mattermost', 'googlechat', 'discord'])
        .default('', 'none'),
    )
    .addHelpText('after', NAMES)
    .action(async (endpointUrl: string, { events, type }: CreateOptions) => {
      const context = begin()
      const body = { endpointUrl, providerType: type, subscriptions: events as Subscription[] }
      const made = await context.client.createWebhook({ tailnet: context.tailnet, body })
      await show(context, made, () =>
        printLines(context.out, [
          ['Id', made.endpointId],
          ['Secret', made.secret ?? ''],
        ]),
      )
    })

  webhooks
    .command('list')
    .description('list endpoints')
    .action(async () => {
      const context = begin()
      await show(context, await context.client.listWebhooks({ tailnet: context.tailnet }), ({ webhooks }) =>
        printTable(
          context.out,
          ['ID', 'URL', 'TYPE', 'CREATOR', 'CREATED', 'EVENTS'],
          webhooks.map((webhook) => [
            webhook.endpointId,
            webhook.endpointUrl,
            webhook.providerType || 'json',
            webhook.creatorLoginName,
            showTime(webhook.created),
            webhook.subscriptions.join(' '),
          ]),
          'No webhooks.',
        ),
      )
    })

  webhooks
    .command('show <ID>')
    .description('show an endpoint, and how deliveries to it go')
    .action(async (endpointId: string) => {
      const context = begin()
      const { client, out } = context
      const [webhook, status] = [await client.getWebhook({ endpointId }), await client.getWebhookStatus({ endpointId })]
      await show(context, { ...webhook, status }, () =>
        printLines(out, [
          ['Id', webhook.endpointId],
          ['URL', webhook.endpointUrl],
          ['Type', webhook.providerType || 'json'],
          ['Events', webhook.subscriptions.join(' ')],
          ['Creator', webhook.creatorLoginName],
          ['Created', showTime(webhook.created)],
          ['Changed', showTime(webhook.lastModified)],
          [
            'Delivered',
            `${status.eventsDelivered}${status.eventsLeftOut === 0 ? '' : `, ${status.eventsLeftOut} left out`}`,
          ],
          ['Last delivery', showTime(status.lastDelivered) || 'never'],
          ['Failed attempts', status.attemptsFailed === 0 ? '' : String(status.attemptsFailed)],
          ['Last error', status.lastError],
          ['Next attempt', showTime(status.nextAttempt)],
        ]),
      )
    })

  webhooks
    .command('set <ID>')
    .description('change what an endpoint is told of')
    .requiredOption('--events <EVENTS>', EVENTS, parseList)
    .addHelpText('after', NAMES)
    .action(async (endpointId: string, { events }: { events: string[] }) => {
      const context = begin()
      const body = { subscriptions: events as Subscription[] }
      const set = await context.client.patchWebhook({ endpointId, body })
      confirm(context, `${endpointId} is told of ${set.subscriptions.join(' ') || 'nothing'}`, set)
    })

  webhooks
    .command('test <ID>')
    .description('post a test event')
    .action(async (endpointId: string) => {
      const context = begin()
      await context.client.testWebhook({ endpointId })
      confirm(context, `A test event is on its way; \`sett admin webhooks show ${endpointId}\` says whether it arrived`)
    })

  webhooks
    .command('rotate <ID>')
    .description('make a new secret and print it; for a day, deliveries are signed with the one before as well')
    .action(async (endpointId: string) => {
      const context = begin()
      // Alone on its line, so that a script can take it as it is.
      await show(context, await context.client.rotateWebhook({ endpointId }), ({ secret }) =>
        context.out.write(`${secret}\n`),
      )
    })

  webhooks
    .command('delete <ID>')
    .description('remove an endpoint')
    .action(async (endpointId: string) => {
      const context = begin()
      await context.client.deleteWebhook({ endpointId })
      confirm(context, `Removed ${endpointId}`)
    })
}
