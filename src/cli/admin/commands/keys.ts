/** `sett admin keys` and `sett admin tokens`: what devices join by, and what programs use the API with. */

import type { Command } from 'commander'
import type { Key } from '../../../wire/api/objects.ts'
import { confirm, pastOnServer, show } from '../context.ts'
import type { Begin, Context } from '../context.ts'
import { plain, printTable, showTime } from '../print.ts'
import { parseLifetime, parseList, parseTags } from '../words.ts'

interface KeyOptions {
  readonly reusable?: true
  readonly ephemeral?: true
  readonly preauthorized?: true
  readonly tags?: string[]
  readonly expiry?: number
  readonly user?: string
  readonly description?: string
}

interface TokenOptions {
  readonly scopes?: string[]
  readonly expiry?: number
  readonly user?: string
  readonly description?: string
}

export function addKeys(admin: Command, begin: Begin): void {
  const keys = admin.command('keys').description('auth keys, by which devices join: create, list, revoke')
  keys
    .command('create')
    .description('make a key and print it; it is shown only now')
    .option('--reusable', 'more than one device may join by it')
    .option('--ephemeral', 'its devices are deleted soon after they go offline')
    .option('--preauthorized', 'its devices need no approval')
    .option('--tags <TAGS>', 'its devices get these tags, and belong to them: tag:a,tag:b', parseTags)
    .option('--expiry <TIME>', 'how long it is good for, such as 1h or 30d; 90d if not given', parseLifetime)
    .option('--user <NAME>', 'whose devices they are, without tags; the owner’s if not given')
    .option('--description <TEXT>', 'what it is for, at most 50 characters')
    .action(async (options: KeyOptions) => {
      const context = begin()
      const { reusable = false, ephemeral = false, preauthorized = false, tags = [] } = options
      const key = await context.client.createKey({
        tailnet: context.tailnet,
        body: {
          ...common(options),
          capabilities: { devices: { create: { reusable, ephemeral, preauthorized, tags } } },
        },
      })
      await printSecret(context, key)
      if (options.user !== undefined && tags.length > 0)
        context.err.write(
          plain(
            `Note: devices that join by this key belong to their tags (${tags.join(', ')}), not to ${options.user}.`,
          ) + '\n',
        )
    })
  addListAndRevoke(keys, begin, 'auth')
}

export function addTokens(admin: Command, begin: Begin): void {
  const tokens = admin.command('tokens').description('API tokens, for programs: create, list, revoke')
  tokens
    .command('create')
    .description('make a token and print it; it is shown only now')
    .option(
      '--scopes <SCOPES>',
      'what it may be used for, such as devices:core:read,users:read; all if not given',
      parseList,
    )
    .option('--expiry <TIME>', 'how long it is good for, such as 1h or 30d; 90d if not given', parseLifetime)
    .option('--user <NAME>', 'whose it is: it may do what this user may; the tailnet’s own if not given')
    .option('--description <TEXT>', 'what it is for, at most 50 characters')
    .action(async (options: TokenOptions) => {
      const context = begin()
      const { scopes } = options
      const body = { ...common(options), ...(scopes === undefined ? {} : { scopes }) }
      await printSecret(context, await context.client.createToken({ tailnet: context.tailnet, body }))
    })
  addListAndRevoke(tokens, begin, 'api')
}

function common({ expiry, user, description }: TokenOptions) {
  return {
    ...(expiry === undefined ? {} : { expirySeconds: expiry }),
    ...(user === undefined ? {} : { user }),
    ...(description === undefined ? {} : { description }),
  }
}

/** Alone on its line, so that a script can take it as it is. */
async function printSecret(context: Context, key: Key): Promise<void> {
  await show(context, key, ({ key: secret }) => context.out.write(`${secret}\n`))
}

function addListAndRevoke(group: Command, begin: Begin, type: 'auth' | 'api'): void {
  const what = type === 'auth' ? 'key' : 'token'
  group
    .command('list')
    .description(`list the ${what}s, those that have lately become invalid included`)
    .action(async () => {
      const context = begin()
      const { keys } = await context.client.listKeys({ tailnet: context.tailnet, all: 'true' })
      const reply = { keys: keys.filter((key) => key.keyType === type) }
      await show(context, reply, async ({ keys }) => {
        const isPast = await pastOnServer(context)
        printTable(
          context.out,
          HEADS[type],
          keys.map((key) => row(key, isPast)),
          `No ${what}s.`,
        )
      })
    })
  group
    .command('revoke <ID>')
    .description(`revoke a ${what}`)
    .action((keyId: string) => revokeKey(begin(), keyId))
}

const HEADS = {
  auth: ['ID', 'KIND', 'CREATOR', 'CREATED', 'LAST USED', 'EXPIRES', 'STATE', 'NODES', 'DESCRIPTION'],
  api: ['ID', 'SCOPES', 'CREATOR', 'CREATED', 'LAST USED', 'EXPIRES', 'STATE', 'DESCRIPTION'],
} as const

function row(key: Key, isPast: (time: string) => boolean): string[] {
  return [
    key.id,
    key.keyType === 'auth' ? kindOf(key) : (key.scopes ?? []).join(' '),
    key.creator || 'server',
    showTime(key.created),
    showTime(key.lastUsed) || 'never',
    showTime(key.expires),
    stateOf(key, isPast),
    ...(key.keyType === 'auth' ? [(key.devices ?? []).join(' ')] : []),
    key.description,
  ]
}

function kindOf(key: Key): string {
  const { reusable, ephemeral, preauthorized, tags = [] } = key.capabilities?.devices.create ?? {}
  const words = [reusable === true ? 'reusable' : 'one-off']
  if (ephemeral === true) words.push('ephemeral')
  if (preauthorized === true) words.push('pre-approved')
  return [...words, ...tags].join(' ')
}

function stateOf(key: Key, isPast: (time: string) => boolean): string {
  // A spent key whose maker was deleted is both; what it did says more.
  if (key.used === true) return 'used'
  if (key.revoked !== undefined) return 'revoked'
  if (key.invalid !== true) return 'valid'
  // Nothing else makes a key invalid; a deleted user's keys are revoked.
  return isPast(key.expires ?? '') ? 'expired' : 'owner suspended'
}

/** Revokes a key of whatever kind; one that was revoked before stays as it is. */
export async function revokeKey(context: Context, keyId: string): Promise<void> {
  const { revoked } = await context.client.getKey({ tailnet: context.tailnet, keyId })
  if (revoked !== undefined)
    return confirm(context, `${keyId} was revoked already, at ${showTime(revoked)}; nothing was changed`)
  await context.client.deleteKey({ tailnet: context.tailnet, keyId })
  confirm(context, `Revoked ${keyId}`)
}
