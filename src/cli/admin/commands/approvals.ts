/** `sett admin approvals`: devices, subnets and exit nodes that wait for somebody to approve them. */

import type { Command } from 'commander'
import { MeshError } from '../../../base/errors.ts'
import type { Approval } from '../../../wire/api/routing-objects.ts'
import { confirm, findDevice, show } from '../context.ts'
import type { Begin, Context } from '../context.ts'
import { printTable, showTime } from '../print.ts'
import { EXIT_ROUTES } from '../route-words.ts'

interface Only {
  readonly device?: true
  readonly routes?: true
  readonly exitNode?: true
}

export function addApprovals(admin: Command, begin: Begin): void {
  const approvals = admin.command('approvals').description('what waits for approval: list, approve')

  approvals
    .command('list')
    .description('list the devices that wait: for themselves, for subnets, as exit nodes')
    .action(async () => {
      const context = begin()
      const reply = await context.client.listApprovals({ tailnet: context.tailnet })
      await show(context, reply, ({ approvals }) =>
        printTable(
          context.out,
          ['ID', 'NAME', 'USER', 'OS', 'CREATED', 'WAITS FOR'],
          approvals.map((approval) => [
            approval.nodeId,
            approval.name,
            approval.tags?.join(' ') ?? approval.user,
            approval.os,
            showTime(approval.created),
            waitsFor(approval).join(', '),
          ]),
          'Nothing waits for approval.',
        ),
      )
    })

  approvals
    .command('approve <NODES...>')
    .description('approve whatever waits of these devices; with an option, only what is named')
    .option('--device', 'the device itself')
    .option('--routes', 'the subnets that it offers')
    .option('--exit-node', 'it as an exit node')
    .action(async (names: string[], only: Only) => {
      const context = begin()
      const { approvals } = await context.client.listApprovals({ tailnet: context.tailnet })
      const done: Approval[] = []
      for (const name of names) {
        const { nodeId, name: device } = await findDevice(context, name)
        const waiting = approvals.find((approval) => approval.nodeId === nodeId)
        const part = waiting && partOf(waiting, only)
        if (part === undefined || waitsFor(part).length === 0)
          throw new MeshError('api/refused', `Nothing of ${device} waits for this: \`sett admin approvals list\``)
        await approve(context, part)
        done.push(part)
      }
      confirm(context, done.map((part) => `Approved ${part.name}: ${waitsFor(part).join(', ')}`).join('; '), {
        approved: done,
      })
    })
}

/** What was asked for of what waits; nothing named: all of it. */
function partOf(waiting: Approval, { device, routes, exitNode }: Only): Approval {
  const all = device !== true && routes !== true && exitNode !== true
  return {
    ...waiting,
    device: waiting.device && (all || device === true),
    routes: all || routes === true ? waiting.routes : [],
    exitNode: waiting.exitNode && (all || exitNode === true),
  }
}

async function approve({ client }: Context, { nodeId: deviceId, device, routes, exitNode }: Approval): Promise<void> {
  const prefixes = [...routes, ...(exitNode ? EXIT_ROUTES : [])]
  // Routes first: a device that takes part is seen with them at once.
  if (prefixes.length > 0) await client.changeDeviceRoutes({ deviceId, body: { approve: prefixes } })
  if (device) await client.setDeviceAuthorized({ deviceId, body: { authorized: true } })
}

function waitsFor({ device, routes, exitNode }: Approval): string[] {
  return [...(device ? ['itself'] : []), ...routes, ...(exitNode ? ['exit node'] : [])]
}
