/** `sett admin dns`: how the tailnet's devices resolve names. */

import { Argument } from 'commander'
import type { Command } from 'commander'
import { MeshError } from '../../../base/errors.ts'
import type { Dns, Nameserver } from '../../../wire/api/dns-objects.ts'
import type { DnsPatch } from '../../../wire/api/routes/dns.ts'
import { confirm, show } from '../context.ts'
import type { Begin, Context } from '../context.ts'
import { printLines, printTable } from '../print.ts'

const NONE = 'none'
const WITH_EXIT_NODE = '--use-with-exit-node'

interface ServerOptions {
  readonly useWithExitNode?: true
}

export function addDns(admin: Command, begin: Begin): void {
  const dns = admin.command('dns').description('how devices resolve names: MagicDNS, nameservers, zones, records')

  dns
    .command('get')
    .description('show all of it')
    .action(async () => {
      const context = begin()
      const { client, tailnet } = context
      await show(context, await client.getDns({ tailnet }), (found) => printDns(context, found))
    })

  dns
    .command('nameservers <ADDRESSES...>')
    .description(`set the nameservers that devices ask, or ${NONE}`)
    .option(WITH_EXIT_NODE, 'devices ask them also while they use an exit node')
    .addHelpText('after', ADDRESSES)
    .action(async (texts: string[], options: ServerOptions) => {
      const context = begin()
      const nameservers = serversOf(texts, options)
      const after = await patch(context, { nameservers })
      said(context, after, nameservers.length === 0 ? 'Devices ask no nameservers of the tailnet' : asked(nameservers))
      if (nameservers.length > 0 && !after.overrideLocalDNS)
        context.err.write(
          'Devices ask them only where they have no others: `dns override on` makes them ask these first\n',
        )
    })

  dns
    .command('split <DOMAIN> <ADDRESSES...>')
    .description(`set the nameservers that devices ask about a domain and all names under it, or ${NONE}`)
    .option(WITH_EXIT_NODE, 'devices ask them also while they use an exit node')
    .addHelpText('after', ADDRESSES)
    .action(async (domain: string, texts: string[], options: ServerOptions) => {
      const context = begin()
      const nameservers = serversOf(texts, options)
      const after = await patch(context, { splitDNS: { [domain]: nameservers } })
      said(context, after, `${domain}: ${nameservers.length === 0 ? 'nobody is asked' : asked(nameservers)}`)
    })

  dns
    .command('search <DOMAINS...>')
    .description(`set the domains that devices append to short names, or ${NONE}; the tailnet’s own is always first`)
    .action(async (texts: string[]) => {
      const context = begin()
      const searchPaths = listOf(texts)
      const after = await patch(context, { searchPaths })
      said(context, after, `Search domains: ${searchPaths.join(', ') || NONE}`)
    })

  addSwitch(dns, begin, 'magicdns', 'devices answer each other’s names themselves', (magicDNS) => ({ magicDNS }))
  addSwitch(
    dns,
    begin,
    'override',
    'devices ask the tailnet’s nameservers instead of their own',
    (overrideLocalDNS) => ({
      overrideLocalDNS,
    }),
  )
  addRecords(dns, begin)
  addZones(dns, begin)
}

const ADDRESSES = `
An address is an IP address, one with a port (192.0.2.1:5353, [2001:db8::1]:53), or the URL of DNS over HTTPS of a
provider that clients know, such as https://dns.quad9.net/dns-query.`

function addSwitch(dns: Command, begin: Begin, name: string, about: string, of: (isOn: boolean) => DnsPatch): void {
  dns
    .command(name)
    .description(`turn on or off that ${about}`)
    .addArgument(new Argument('<STATE>', 'which').choices(['on', 'off']))
    .action(async (state: string) => {
      const context = begin()
      said(context, await patch(context, of(state === 'on')), `${name} is ${state}`)
    })
}

function addRecords(dns: Command, begin: Begin): void {
  const records = dns.command('records').description('addresses that devices answer for a name: list, add, rm')

  records
    .command('list')
    .description('list the records')
    .action(async () => {
      const context = begin()
      const { client, tailnet, out } = context
      const { records } = await client.getDns({ tailnet })
      await show(context, { records }, ({ records }) =>
        printTable(
          out,
          ['NAME', 'TYPE', 'VALUE'],
          records.map(({ name, type, value }) => [name, type, value]),
          'No records.',
        ),
      )
    })

  records
    .command('add <NAME> <ADDRESS>')
    .description('have devices answer an address for a name; a name without a dot stands under the tailnet’s domain')
    .action(async (name: string, value: string) => {
      const context = begin()
      const { client, tailnet } = context
      const record = await client.addDnsRecord({ tailnet, body: { name, value } })
      confirm(context, `${record.name} is ${record.value}`, record)
    })

  records
    .command('rm <NAME> [ADDRESS]')
    .description('remove a name’s records, or the one with this address')
    .action(async (name: string, value: string | undefined) => {
      const context = begin()
      const { client, tailnet } = context
      await client.deleteDnsRecords({ tailnet, name, ...(value === undefined ? {} : { value }) })
      confirm(context, `Removed ${value === undefined ? `the records of ${name}` : `${name} ${value}`}`)
    })
}

function addZones(dns: Command, begin: Begin): void {
  const zones = dns.command('zones').description('domains that hold only the tailnet’s records: list, add, rm')

  zones
    .command('list')
    .description('list the zones')
    .action(async () => {
      const context = begin()
      const { client, tailnet, out } = context
      const { zones } = await client.getDns({ tailnet })
      await show(context, { zones }, ({ zones }) =>
        printTable(
          out,
          ['ZONE'],
          zones.map((zone) => [zone]),
          'No zones.',
        ),
      )
    })

  zones
    .command('add <DOMAIN>')
    .description('have devices answer for a domain themselves, and ask nobody')
    .action(async (text: string) => {
      const context = begin()
      const { client, tailnet } = context
      const added = await client.addDnsZone({ tailnet, body: { zone: text } })
      confirm(context, `Devices answer for ${added.zone} themselves`, added)
    })

  zones
    .command('rm <DOMAIN>')
    .description('remove a zone; records in it stay')
    .action(async (zone: string) => {
      const context = begin()
      const { client, tailnet } = context
      await client.deleteDnsZone({ tailnet, zone })
      confirm(context, `Removed ${zone}`)
    })
}

function patch({ client, tailnet }: Context, body: DnsPatch): Promise<Dns> {
  return client.patchDns({ tailnet, body })
}

function said(context: Context, after: Dns, words: string): void {
  confirm(context, words, after)
}

function listOf(texts: readonly string[]): string[] {
  const list = texts.flatMap((text) => text.split(',')).filter((text) => text !== '')
  if (list.length > 1 && list.includes(NONE))
    throw new MeshError('config/invalid', `"${NONE}" stands alone: it removes what there is`)
  return list[0] === NONE ? [] : list
}

function serversOf(texts: readonly string[], { useWithExitNode }: ServerOptions): Nameserver[] {
  return listOf(texts).map((address) => ({ address, useWithExitNode: useWithExitNode === true }))
}

function asked(nameservers: readonly Nameserver[]): string {
  return `Devices ask ${nameservers.map(({ address }) => address).join(', ')}`
}

function printDns({ out }: Context, dns: Dns): void {
  const { domain, magicDNS, overrideLocalDNS, nameservers, splitDNS, searchPaths, zones, records } = dns
  printLines(out, [
    ['Domain', domain],
    ['MagicDNS', magicDNS ? 'on' : 'off'],
    ['Nameservers', shown(nameservers) || NONE],
    ['Override', overrideLocalDNS ? 'on: asked instead of a device’s own' : 'off: asked where a device has no others'],
    ['Search', [...(magicDNS ? [domain] : []), ...searchPaths].join(', ') || NONE],
    ['Zones', zones.join(', ') || NONE],
  ])
  const split = Object.entries(splitDNS).map(([name, servers]) => [name, shown(servers)])
  if (split.length > 0) {
    out.write('\n')
    printTable(out, ['SPLIT DNS', 'NAMESERVERS'], split, '')
  }
  if (records.length > 0) {
    out.write('\n')
    printTable(
      out,
      ['RECORD', 'TYPE', 'VALUE'],
      records.map(({ name, type, value }) => [name, type, value]),
      '',
    )
  }
}

function shown(nameservers: readonly Nameserver[]): string {
  return nameservers
    .map(({ address, useWithExitNode }) => `${address}${useWithExitNode ? ' (with exit nodes too)' : ''}`)
    .join(', ')
}
