/** `sett admin providers` and `sett admin sessions`: how people log in, and where they are logged in. */

import { readFileSync } from 'node:fs'
import { InvalidArgumentError, Option } from 'commander'
import type { Command } from 'commander'
import { MeshError } from '../../../base/errors.ts'
import type { BodyInput } from '../../../wire/api/routes.ts'
import { confirm, findUser, show } from '../context.ts'
import type { Begin } from '../context.ts'
import { printTable, showTime } from '../print.ts'

type Settings = BodyInput<'setProvider'>['settings']

interface ProviderOptions {
  readonly kind: 'oidc' | 'github' | 'saml'
  readonly title?: string
  readonly issuer?: string
  readonly clientId?: string
  readonly clientSecret?: string
  readonly groupsClaim?: string
  readonly scopes?: string
  readonly trustEmail?: true
  readonly githubUrl?: string
  readonly entityId?: string
  readonly ssoUrl?: string
  readonly certificate?: string
  readonly emailAttribute?: string
  readonly domains?: string
  readonly groups?: string
  readonly users?: string
  readonly anyone?: true
  readonly groupDomain?: string
}

export function addProviders(admin: Command, begin: Begin): void {
  const providers = admin
    .command('providers')
    .description('identity providers that people log in with: list, add, remove')

  providers
    .command('list')
    .description('list them')
    .action(async () => {
      const context = begin()
      await show(context, await context.client.listProviders({ tailnet: context.tailnet }), ({ identityProviders }) =>
        printTable(
          context.out,
          ['ID', 'TITLE', 'KIND', 'WHERE', 'ADMITS'],
          identityProviders.map(({ id, title, settings, admits }) => [
            id,
            title,
            settings.kind,
            settings.kind === 'oidc' ? settings.issuer : settings.kind === 'github' ? settings.url : settings.entityId,
            admits.anyone
              ? 'anyone'
              : [...admits.domains, ...admits.groups, ...admits.users].join(', ') || 'whom it knows',
          ]),
          'No identity provider yet: `sett admin providers add ID` adds one; `sett admin users link NAME` lets somebody in by a passkey.',
        ),
      )
    })

  providers
    .command('add <ID>')
    .description('add one, or change the one of that name')
    .addOption(new Option('--kind <KIND>', 'what it speaks').choices(['oidc', 'github', 'saml']).default('oidc'))
    .option('--title <TEXT>', 'what its button says; the ID if not given')
    .option('--issuer <URL>', 'oidc: where it is')
    .option('--client-id <ID>', 'oidc, github: the client that you made there')
    .option(
      '--client-secret <SECRET>',
      'its secret, or file:PATH to read it from; left out, the one that is there stays',
    )
    .option('--scopes <LIST>', 'oidc: what to ask for; openid,profile,email if not given')
    .option('--groups-claim <NAME>', 'oidc, saml: the claim that lists groups; "groups" if not given')
    .option('--trust-email', 'oidc: its addresses count although it does not say that they are verified')
    .option('--github-url <URL>', 'github: an Enterprise Server of your own')
    .option('--entity-id <ID>', 'saml: the provider’s entity id')
    .option('--sso-url <URL>', 'saml: where people are sent')
    .option('--certificate <PATH>', 'saml: PEM file of the certificate that signs')
    .option('--email-attribute <NAME>', 'saml: the attribute that holds the address; "email" if not given')
    .option('--domains <LIST>', 'whoever has a verified address in one of these may join')
    .option('--groups <LIST>', 'whoever is in one of these may join')
    .option('--users <LIST>', 'these addresses may join')
    .option('--anyone', 'whoever has an account there may join')
    .option('--group-domain <DOMAIN>', 'its groups are group:NAME@DOMAIN in policies')
    .action(async (id: string, options: ProviderOptions) => {
      const context = begin()
      const provider = await context.client.setProvider({
        tailnet: context.tailnet,
        provider: id,
        body: {
          title: options.title ?? id,
          settings: settingsOf(options),
          admits: {
            anyone: options.anyone === true,
            domains: listOf(options.domains),
            groups: listOf(options.groups),
            users: listOf(options.users),
          },
          ...(options.groupDomain === undefined ? {} : { groupDomain: options.groupDomain }),
        },
      })
      confirm(context, `${provider.id} is set. Enter there as its redirect URI: ${provider.callbackUrl}`, provider)
    })

  providers
    .command('remove <ID>')
    .description('remove one; whoever came by it stays, and can’t log in by it any more')
    .action(async (provider: string) => {
      const context = begin()
      await context.client.deleteProvider({ tailnet: context.tailnet, provider })
      confirm(context, `Removed ${provider}`)
    })
}

export function addSessions(admin: Command, begin: Begin): void {
  const sessions = admin.command('sessions').description('browsers in which people are logged in: list, end')

  sessions
    .command('list')
    .description('list them, the last used first')
    .action(async () => {
      const context = begin()
      await show(context, await context.client.listSessions({ tailnet: context.tailnet }), ({ sessions: all }) =>
        printTable(
          context.out,
          ['ID', 'LOGIN', 'BY', 'LAST USED', 'FROM', 'BROWSER'],
          all.map((one) => [one.id, one.loginName, one.method, showTime(one.lastUsed), one.from, one.agent]),
          'Nobody is logged in.',
        ),
      )
    })

  sessions
    .command('end [ID]')
    .description('log a browser out, or with --user somebody everywhere')
    .option('--user <LOGIN>', 'all sessions of this user')
    .action(async (session: string | undefined, { user }: { user?: string }) => {
      if ((session === undefined) === (user === undefined))
        throw new MeshError('config/invalid', 'Cannot end a session: want its ID, or --user NAME for all of somebody’s')
      const context = begin()
      if (session !== undefined) {
        await context.client.endSession({ tailnet: context.tailnet, session })
        return confirm(context, `Ended session ${session}`)
      }
      const found = await findUser(context, user ?? '')
      await context.client.endSessionsOfUser({ userId: found.id })
      confirm(context, `${found.loginName} is logged out everywhere`)
    })
}

function settingsOf(options: ProviderOptions): Settings {
  const { kind } = options
  if (kind === 'saml')
    return {
      kind,
      entityId: needed(options.entityId, '--entity-id'),
      ssoUrl: needed(options.ssoUrl, '--sso-url'),
      certificates: [readText(needed(options.certificate, '--certificate'))],
      ...(options.emailAttribute === undefined ? {} : { emailAttribute: options.emailAttribute }),
      ...(options.groupsClaim === undefined ? {} : { groupsAttribute: options.groupsClaim }),
    }
  const secret = options.clientSecret
  const common = {
    clientId: needed(options.clientId, '--client-id'),
    ...(secret === undefined
      ? {}
      : { clientSecret: secret.startsWith('file:') ? readText(secret.slice('file:'.length)).trim() : secret }),
  }
  if (kind === 'github') {
    const url = options.githubUrl?.replace(/\/+$/, '')
    return { kind, ...common, ...(url === undefined ? {} : { url, apiUrl: `${url}/api/v3` }) }
  }
  return {
    kind,
    ...common,
    issuer: needed(options.issuer, '--issuer'),
    ...(options.scopes === undefined ? {} : { scopes: listOf(options.scopes) }),
    ...(options.groupsClaim === undefined ? {} : { groupsClaim: options.groupsClaim }),
    trustEmail: options.trustEmail === true,
  }
}

function needed(value: string | undefined, option: string): string {
  if (value === undefined) throw new MeshError('config/invalid', `Cannot add the provider: ${option} is missing`)
  return value
}

function listOf(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new InvalidArgumentError(`cannot read ${path}: ${(error as Error).message}`)
  }
}
