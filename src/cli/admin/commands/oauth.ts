/** `sett admin oauth`: programs that use the API and bring devices: OAuth clients, and federated identities without a secret. */

import { InvalidArgumentError } from 'commander'
import type { Command } from 'commander'
import { Refused } from '../../../sdk/client.ts'
import type { Key } from '../../../wire/api/objects.ts'
import { confirm, show } from '../context.ts'
import type { Begin, Context } from '../context.ts'
import { printLines, printTable, showTime } from '../print.ts'
import { parseList, parseTags } from '../words.ts'

interface Rights {
  readonly scopes: string[]
  readonly tags?: string[]
  readonly description?: string
}

interface Federation extends Rights {
  readonly issuer: string
  readonly subject: string
  readonly audience?: string
  readonly claim?: Record<string, string>
}

const SCOPES = 'what it may do, such as devices:core,auth_keys or dns:read'
const TAGS = 'what its devices are: tag:a,tag:b; the scopes devices:core and auth_keys need some'
const DESCRIPTION = 'what it is for, at most 50 characters; the log names it by this'

export function addOauth(admin: Command, begin: Begin): void {
  const oauth = admin
    .command('oauth')
    .description('OAuth clients and federated identities, for programs: create, list, show, revoke')
  oauth
    .command('create')
    .description('make an OAuth client and print its secret; it is shown only now')
    .requiredOption('--scopes <SCOPES>', SCOPES, parseList)
    .option('--tags <TAGS>', TAGS, parseTags)
    .option('--description <TEXT>', DESCRIPTION)
    .action(async ({ scopes, tags = [], description = '' }: Rights) => {
      const context = begin()
      const body = { keyType: 'client', scopes, tags, description }
      const made = await context.client.createKey({ tailnet: context.tailnet, body })
      // Alone on its line, so that a script can take it as it is.
      await show(context, made, ({ key }) => context.out.write(`${key}\n`))
    })

  oauth
    .command('federated')
    .description('programs that prove who they are by ID tokens of an issuer: create')
    .command('create')
    .description('make a federated identity and print its id and the audience that tokens must have')
    .requiredOption('--issuer <URL>', 'OpenID Connect issuer of its tokens')
    .requiredOption('--subject <TEXT>', '`sub` of its tokens; * stands for any text')
    .option('--audience <TEXT>', '`aud` of its tokens; made from its id if not given')
    .option('--claim <NAME=TEXT>', 'a claim that its tokens must have, with * as above; may be repeated', parseClaim)
    .requiredOption('--scopes <SCOPES>', SCOPES, parseList)
    .option('--tags <TAGS>', TAGS, parseTags)
    .option('--description <TEXT>', DESCRIPTION)
    .action(async ({ tags = [], description = '', claim = {}, ...rest }: Federation) => {
      const context = begin()
      const body = { keyType: 'federated', tags, description, customClaimRules: claim, ...rest }
      await show(context, await context.client.createKey({ tailnet: context.tailnet, body }), (made) =>
        printLines(context.out, [
          ['Client id', made.id],
          ['Audience', made.audience ?? ''],
        ]),
      )
    })

  oauth
    .command('list')
    .description('list clients and identities, those that have lately been revoked included')
    .action(async () => {
      const context = begin()
      const { keys } = await context.client.listKeys({ tailnet: context.tailnet, all: 'true' })
      await show(context, { keys: keys.filter(isTrust) }, ({ keys }) =>
        printTable(
          context.out,
          ['ID', 'TYPE', 'SCOPES', 'TAGS', 'CREATOR', 'CREATED', 'LAST USED', 'STATE', 'DESCRIPTION'],
          keys.map((key) => [
            key.id,
            key.keyType,
            (key.scopes ?? []).join(' '),
            (key.tags ?? []).join(' '),
            key.creator || 'server',
            showTime(key.created),
            showTime(key.lastUsed) || 'never',
            stateOf(key),
            key.description,
          ]),
          'No OAuth clients and no federated identities.',
        ),
      )
    })

  oauth
    .command('show <ID>')
    .description('show a client or an identity')
    .action(async (id: string) => {
      const context = begin()
      await show(context, await find(context, id), (key) => printLines(context.out, lines(key)))
    })

  oauth
    .command('revoke <ID>')
    .description('revoke a client or an identity, and the access tokens that it holds')
    .action(async (id: string) => {
      const context = begin()
      const { revoked } = await find(context, id)
      if (revoked !== undefined)
        return confirm(context, `${id} was revoked already, at ${showTime(revoked)}; nothing was changed`)
      await context.client.deleteKey({ tailnet: context.tailnet, keyId: id })
      confirm(context, `Revoked ${id}`)
    })
}

function parseClaim(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=')
  if (at <= 0) throw new InvalidArgumentError('Want a claim such as environment=prod-*.')
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}

/** Auth keys and tokens have commands of their own. */
async function find({ client, tailnet }: Context, keyId: string): Promise<Key> {
  const key = await client.getKey({ tailnet, keyId })
  if (isTrust(key)) return key
  const group = key.keyType === 'auth' ? 'keys' : 'tokens'
  throw new Refused(404, { message: `${keyId} is no OAuth client: \`sett admin ${group} list\` shows it` })
}

function isTrust({ keyType }: Key): boolean {
  return keyType === 'client' || keyType === 'federated'
}

function stateOf({ revoked }: Key): string {
  return revoked === undefined ? 'valid' : 'revoked'
}

function lines(key: Key): [string, string][] {
  return [
    ['Id', key.id],
    ['Type', key.keyType],
    ['Description', key.description],
    ['State', stateOf(key)],
    ['Scopes', (key.scopes ?? []).join(' ')],
    ['Tags', (key.tags ?? []).join(' ')],
    ['Issuer', key.issuer ?? ''],
    ['Subject', key.subject ?? ''],
    ['Audience', key.audience ?? ''],
    ...Object.entries(key.customClaimRules ?? {}).map(([name, rule]): [string, string] => ['Claim', `${name}=${rule}`]),
    ['Creator', key.creator || 'server'],
    ['Created', showTime(key.created)],
    ['Changed', showTime(key.updated)],
    ['Last used', showTime(key.lastUsed) || 'never'],
    ['Revoked', showTime(key.revoked)],
  ]
}
