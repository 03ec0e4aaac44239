/** `sett admin nodes`: the devices of a tailnet. */

import { Option } from 'commander'
import type { Command } from 'commander'
import { MeshError } from '../../../base/errors.ts'
import type { Device } from '../../../wire/api/objects.ts'
import { Refused } from '../../../sdk/client.ts'
import { confirm, findDevice, pastOnServer, show } from '../context.ts'
import type { Begin, Context } from '../context.ts'
import { printLines, printTable, showTime, yesNo } from '../print.ts'
import { parseList, parseTagsOrNone } from '../words.ts'
import { addAttributes, attributesText } from './attributes.ts'

/** Why a device was not reached, as the end of a sentence. */
const UNREACHED = {
  'not-connected': 'holds no connection to this server',
  'no-answer': 'did not answer within 15 seconds',
} as const

export function addNodes(admin: Command, begin: Begin): void {
  const nodes = admin.command('nodes').description('devices: list, show, rename, tag, approve, route, expire, delete')

  nodes
    .command('list')
    .description('list the devices')
    .action(async () => {
      const context = begin()
      const reply = await context.client.listDevices({ tailnet: context.tailnet, fields: 'all' })
      await show(context, reply, async ({ devices }) => {
        const isPast = await pastOnServer(context)
        printTable(
          context.out,
          HEAD,
          devices.map((device) => row(device, isPast)),
          'No devices yet: `sett admin keys create` makes a key to join with.',
        )
      })
    })

  nodes
    .command('show <NODE>')
    .description('show one device; NODE is its id, name or address')
    .action(async (name: string) => {
      const context = begin()
      await show(context, await findDevice(context, name), async (device) => {
        const isPast = await pastOnServer(context)
        const attributes = await attributesOf(context, device)
        printLines(context.out, [...lines(device, isPast), ['Attributes', attributes]])
      })
    })

  nodes
    .command('ping <NODE>')
    .description('ask a device over its control connection whether it is there')
    .option('--echo', 'have the device echo a text')
    .action(async (name: string, { echo }: { echo?: true }) => {
      const context = begin()
      const { nodeId, name: device } = await findDevice(context, name)
      const reply = await context.client.pingDevice({ deviceId: nodeId, body: { echo: echo === true } })
      if (reply.outcome !== 'answered') throw new MeshError('api/refused', `${device} ${UNREACHED[reply.outcome]}`)
      confirm(context, `${device} answered in ${reply.latencyMs ?? 0} ms`, reply)
    })

  nodes
    .command('rename <NODE> <NAME>')
    .description("rename a device; '' lets its host name decide again")
    .action(async (name: string, to: string) => {
      const context = begin()
      const { nodeId } = await findDevice(context, name)
      await context.client.setDeviceName({ deviceId: nodeId, body: { name: to } })
      await confirmDevice(context, nodeId, (device) => `${nodeId} is now ${device.name}`)
    })

  nodes
    .command('tag <NODE>')
    .description("replace a device's tags")
    .argument('<TAGS>', 'such as tag:a,tag:b; none takes them all away', parseTagsOrNone)
    .action(async (name: string, tags: string[]) => {
      const context = begin()
      const { nodeId } = await findDevice(context, name)
      await context.client.setDeviceTags({ deviceId: nodeId, body: { tags } })
      await confirmDevice(
        context,
        nodeId,
        (device) => `${device.name} has ${(device.tags ?? []).join(', ') || 'no tags'}`,
      )
    })

  nodes
    .command('expire <NODE>')
    .description("let a device's key expire now: it must log in again")
    .addOption(new Option('--never', 'let its key never expire instead').conflicts('again'))
    .addOption(new Option('--again', 'take --never back: its key expires when it would have'))
    .action(async (name: string, { never, again }: { never?: true; again?: true }) => {
      const context = begin()
      const { nodeId: deviceId } = await findDevice(context, name)
      if (never === true || again === true)
        await context.client.setDeviceKey({ deviceId, body: { keyExpiryDisabled: never === true } })
      else await context.client.expireDevice({ deviceId })
      await confirmDevice(
        context,
        deviceId,
        (device) => `The key of ${device.name} expires: ${showTime(device.expires)}`,
      )
    })

  nodes
    .command('approve <NODE>')
    .description('let a device take part')
    .option('--withdraw', 'take its approval away instead')
    .action(async (name: string, { withdraw }: { withdraw?: true }) => {
      const context = begin()
      const { nodeId } = await findDevice(context, name)
      const authorized = withdraw !== true
      await context.client.setDeviceAuthorized({ deviceId: nodeId, body: { authorized } })
      await confirmDevice(
        context,
        nodeId,
        (device) => `${device.name} is ${authorized ? 'approved' : 'not approved any more'}`,
      )
    })

  nodes
    .command('routes <NODE>')
    .description('show the routes of a device, or say which it may route')
    .option('--approve <CIDRS>', 'let it route these as well, offered or not', parseList)
    .option('--remove <CIDRS>', 'no longer let it route these', parseList)
    .action(async (name: string, options: { approve?: string[]; remove?: string[] }) => {
      const context = begin()
      const { nodeId: deviceId, name: device } = await findDevice(context, name)
      let routes = await context.client.getDeviceRoutes({ deviceId })
      const { approve = [], remove = [] } = options
      for (const given of ['approve', 'remove'] as const)
        if (options[given]?.length === 0) throw namesNoRoute(given, device, routes.enabledRoutes)
      if (options.approve !== undefined || options.remove !== undefined) {
        const wanted = new Set([...routes.enabledRoutes, ...approve])
        for (const route of remove) wanted.delete(route)
        routes = await context.client.setDeviceRoutes({ deviceId, body: { routes: [...wanted] } })
      }
      await show(context, routes, ({ advertisedRoutes, enabledRoutes }) => {
        printTable(
          context.out,
          ['ROUTE', 'OFFERED', 'APPROVED'],
          [...new Set([...advertisedRoutes, ...enabledRoutes])].map((route) => [
            route,
            yesNo(advertisedRoutes.includes(route)),
            yesNo(enabledRoutes.includes(route)),
          ]),
          'It offers no routes, and none are approved.',
        )
        if (advertisedRoutes.some((route) => !enabledRoutes.includes(route)))
          context.out.write(
            'Not approved: --approve ROUTE does it. autoApprovers of the policy act when a device begins to offer a route, ' +
              'not on what it offers already.\n',
          )
      })
    })

  addAttributes(nodes, begin)

  nodes
    .command('ip <NODE> <IPV4>')
    .description('give a device another address')
    .action(async (name: string, ipv4: string) => {
      const context = begin()
      const { nodeId } = await findDevice(context, name)
      await context.client.setDeviceIp({ deviceId: nodeId, body: { ipv4 } })
      await confirmDevice(context, nodeId, (device) => `${device.name} now has ${device.addresses.join(', ')}`)
    })

  nodes
    .command('delete <NODE>')
    .description('delete a device: it is cut off and must join anew')
    .action(async (name: string) => {
      const context = begin()
      const device = await findDevice(context, name)
      await context.client.deleteDevice({ deviceId: device.nodeId })
      confirm(context, `Deleted ${device.name}`)
    })

  nodes
    .command('addresses [ADDRESS]')
    .description('list who holds or held which address, and when')
    .action(async (address: string | undefined) => {
      const context = begin()
      const reply = await context.client.listAddresses({ tailnet: context.tailnet, ...(address ? { address } : {}) })
      await show(context, reply, ({ addresses }) =>
        printTable(
          context.out,
          ['ADDRESS', 'NODE', 'ID', 'SINCE', 'UNTIL'],
          addresses.flatMap(({ address, holds }) =>
            holds.map((hold) => [
              address,
              hold.name,
              (hold.nodeId ?? hold.id) + (hold.deleted === true ? ' (deleted)' : ''),
              showTime(hold.since),
              showTime(hold.until),
            ]),
          ),
          'Nobody holds or held an address.',
        ),
      )
    })
}

/** A token for devices need not be one for their attributes. */
async function attributesOf({ client }: Context, { nodeId: deviceId }: Device): Promise<string> {
  try {
    return attributesText(await client.getDeviceAttributes({ deviceId }))
  } catch (error) {
    if (error instanceof Refused) return ''
    throw error
  }
}

/** An empty list might mean "none at all": whoever means that says which to take away. */
function namesNoRoute(given: 'approve' | 'remove', device: string, approved: readonly string[]): MeshError {
  const now = approved.length === 0 ? 'none is approved' : `approved are ${approved.join(', ')}`
  const hint = given === 'approve' && approved.length > 0 ? `; --remove ${approved.join(',')} takes all away` : ''
  return new MeshError(
    'config/invalid',
    `--${given} names no route, so nothing was changed; of ${device}, ${now}. Want routes such as 192.168.1.0/24${hint}`,
  )
}

async function confirmDevice(context: Context, deviceId: string, words: (device: Device) => string): Promise<void> {
  const device = await context.client.getDevice({ deviceId, fields: 'all' })
  confirm(context, words(device), device)
}

const HEAD = ['ID', 'NAME', 'ADDRESS', 'USER', 'OS', 'SEEN', 'EXPIRES', 'NOTES']

function row(device: Device, isPast: (time: string) => boolean): string[] {
  const notes = [
    ...(isPast(device.expires) ? ['expired'] : []),
    ...(device.authorized ? [] : ['not approved']),
    ...(device.isEphemeral ? ['ephemeral'] : []),
    ...(pendingRoutes(device).length > 0 ? ['routes to approve'] : []),
  ]
  return [
    device.nodeId,
    device.name.split('.', 1)[0] as string,
    device.addresses[0] ?? '',
    ownerOf(device),
    device.os,
    device.connectedToControl ? 'online' : showTime(device.lastSeen),
    showTime(device.expires),
    notes.join(', '),
  ]
}

function pendingRoutes(device: Device): string[] {
  return (device.advertisedRoutes ?? []).filter((route) => !(device.enabledRoutes ?? []).includes(route))
}

/** A tagged device is its tags', not its user's. */
function ownerOf(device: Device): string {
  return device.tags === undefined ? device.user : device.tags.join(' ')
}

function lines(device: Device, isPast: (time: string) => boolean): [string, string][] {
  const { distro } = device
  return [
    ['Name', device.name],
    ['Id', `${device.nodeId} (${device.id})`],
    ['Addresses', device.addresses.join(', ')],
    ['User', device.user],
    ['Tags', (device.tags ?? []).join(', ')],
    ['Host name', device.hostname],
    ['System', distro === undefined ? device.os : `${device.os} (${distro.name} ${distro.version})`],
    ['Client', device.clientVersion],
    ['Seen', device.connectedToControl ? 'online' : showTime(device.lastSeen)],
    ['Created', showTime(device.created)],
    ['Key expires', showTime(device.expires) + (isPast(device.expires) ? ' (expired)' : '')],
    ['Approved', yesNo(device.authorized)],
    ['Ephemeral', yesNo(device.isEphemeral)],
    ['Routes offered', (device.advertisedRoutes ?? []).join(', ')],
    ['Routes approved', (device.enabledRoutes ?? []).join(', ')],
    ['Endpoints', (device.clientConnectivity?.endpoints ?? []).join(', ')],
    ['Relay', device.clientConnectivity?.derp ?? ''],
    ['Node key', device.nodeKey],
    ['Machine key', device.machineKey],
  ]
}
