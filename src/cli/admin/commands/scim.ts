/** `sett admin scim`: tokens by which the directories of identity providers push their people and groups. */

import type { Command } from 'commander'
import { show } from '../context.ts'
import type { Begin } from '../context.ts'
import { revokeKey } from './keys.ts'
import { printLines, printTable, showTime } from '../print.ts'

export function addScim(admin: Command, begin: Begin): void {
  const scim = admin
    .command('scim')
    .description('directories that push people and groups by SCIM 2.0: token, list, revoke')
  scim
    .command('token <PROVIDER>')
    .description('make a token for the directory of an identity provider and print it; it is shown only now')
    .option('--description <TEXT>', 'what it is for, at most 50 characters')
    .action(async (provider: string, { description = '' }: { description?: string }) => {
      const context = begin()
      const { client, tailnet } = context
      const made = await client.createScimToken({ tailnet, provider, body: { description } })
      await show(context, made, ({ token, url }) =>
        printLines(context.out, [
          ['Base URL', url],
          ['Token', token.key ?? ''],
        ]),
      )
    })

  scim
    .command('list')
    .description('list the tokens, those that have lately been revoked included')
    .action(async () => {
      const context = begin()
      const { keys } = await context.client.listKeys({ tailnet: context.tailnet, all: 'true' })
      await show(context, { keys: keys.filter(({ keyType }) => keyType === 'scim') }, ({ keys }) =>
        printTable(
          context.out,
          ['ID', 'PROVIDER', 'CREATOR', 'CREATED', 'LAST USED', 'STATE', 'DESCRIPTION'],
          keys.map((key) => [
            key.id,
            key.provider ?? '',
            key.creator || 'server',
            showTime(key.created),
            showTime(key.lastUsed) || 'never',
            key.revoked === undefined ? 'valid' : 'revoked',
            key.description,
          ]),
          'No directory pushes anything.',
        ),
      )
    })

  scim
    .command('revoke <ID>')
    .description('revoke a token; what its directory pushed stays')
    .action((keyId: string) => revokeKey(begin(), keyId))
}
