/** `sett admin routes`: what the tailnet routes, by which devices, and which of them may. */

import { InvalidArgumentError } from 'commander'
import type { Command } from 'commander'
import { Refused } from '../../../sdk/client.ts'
import type { Router, Routing } from '../../../wire/api/routing-objects.ts'
import { confirm, findDevice, show } from '../context.ts'
import type { Begin } from '../context.ts'
import { printTable, showTime } from '../print.ts'
import { EXIT_ROUTES, EXIT_WORD, parseRoutes } from '../route-words.ts'

const CIDRS = `
CIDRS are prefixes such as 192.168.1.0/24,2001:db8::/32, or "exit" for the whole internet, as an exit node.`

export function addRoutes(admin: Command, begin: Begin): void {
  const routes = admin.command('routes').description('subnets and exit nodes: list, approve, withdraw')

  routes
    .command('list [CIDR]')
    .description('list what is routed, by which devices, and which of several is used')
    .action(async (wanted: string | undefined) => {
      const context = begin()
      const reply = await context.client.listRoutings({ tailnet: context.tailnet })
      const prefixes = wanted === undefined ? undefined : parseRoutes(wanted)
      const found = reply.routes.filter(({ prefix }) => prefixes?.includes(prefix) ?? true)
      if (found.length === 0 && wanted !== undefined)
        throw new Refused(404, { message: `Nobody offers ${wanted}, nor may route it: \`sett admin routes list\`` })
      await show(context, { routes: found }, () =>
        printTable(
          context.out,
          ['ROUTE', 'NODE', 'ID', 'STATE', 'USED'],
          found.flatMap((route) => route.routers.map((router) => row(route, router))),
          'No device offers a route.',
        ),
      )
    })

  for (const [verb, about] of [
    ['approve', 'let a device route these as well, offered or not'],
    ['withdraw', 'no longer let a device route these'],
  ] as const)
    routes
      .command(`${verb} <NODE>`)
      .argument('<CIDRS>', 'between commas', parsed)
      .description(about)
      .addHelpText('after', CIDRS)
      .action(async (name: string, prefixes: string[]) => {
        const context = begin()
        const { nodeId: deviceId, name: device } = await findDevice(context, name)
        const reply = await context.client.changeDeviceRoutes({ deviceId, body: { [verb]: prefixes } })
        const now = reply.enabledRoutes.length === 0 ? 'nothing' : reply.enabledRoutes.join(', ')
        confirm(context, `${device} may route ${now}`, reply)
        const early = verb === 'approve' ? prefixes.filter((prefix) => !reply.advertisedRoutes.includes(prefix)) : []
        if (early.length > 0 && !context.json)
          context.err.write(`It does not offer ${early.join(', ')}: traffic goes there once it does\n`)
      })
}

function parsed(text: string): string[] {
  const prefixes = parseRoutes(text)
  if (prefixes.length === 0)
    throw new InvalidArgumentError(`Want routes such as 192.168.1.0/24, or "${EXIT_WORD}" for an exit node.`)
  return prefixes
}

function row({ prefix, exitNode, primarySince }: Routing, router: Router): string[] {
  const used = router.primary ? (primarySince === undefined ? 'yes' : `since ${showTime(primarySince)}`) : ''
  const free = exitNode && isRouting(router) ? 'who chooses it' : ''
  return [
    EXIT_ROUTES.includes(prefix) ? `${prefix} (exit)` : prefix,
    router.name,
    router.nodeId,
    stateOf(router),
    used || free,
  ]
}

const isRouting = ({ approved, advertised }: Router): boolean => approved && advertised

function stateOf({ approved, advertised, online, healthy, unhealthySince }: Router): string {
  if (!approved) return 'to approve'
  if (!advertised) return 'not offered'
  if (!online) return 'offline'
  if (unhealthySince !== undefined) return `no answer since ${showTime(unhealthySince)}`
  return healthy ? 'healthy' : 'may not take part'
}
