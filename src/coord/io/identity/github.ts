/**
 * GitHub, which speaks OAuth 2.0 and has an API of its own for who somebody is: authorization code with PKCE, then the
 * user, their primary address if it is verified, and as groups their organizations (`acme`) and teams (`acme/ops`).
 */

import { createHash } from 'node:crypto'
import { MeshError } from '../../../base/errors.ts'
import type { GithubSettings, Provider } from '../../model/records.ts'
import type { Journey, Proved } from '../../people/identity-providers.ts'
import { addressOf, messageOf, pictureOf, refused, refusedByProvider, textOf } from './said.ts'

const TIMEOUT_MS = 10_000
/** Longest answer that is read. */
const ANSWER_MAX = 1_048_576
/** GitHub's own longest page, and how many of them are read of one list. */
const PAGE = 100
const PAGES_MAX = 10

export interface GithubDeps {
  /** Opens what was sealed with the server's key. */
  readonly unseal: (sealed: string, provider: string) => string
}

export interface GithubProvider extends Provider {
  readonly settings: GithubSettings
}

export class Github {
  readonly #deps: GithubDeps

  constructor(deps: GithubDeps) {
    this.#deps = deps
  }

  begin(provider: GithubProvider, journey: Journey): string {
    const { settings } = provider
    const url = new URL(`${base(settings.url)}/login/oauth/authorize`)
    url.search = new URLSearchParams({
      client_id: settings.clientId,
      redirect_uri: journey.redirectUri,
      scope: ['read:user', 'user:email', ...(wantsGroups(provider) ? ['read:org'] : [])].join(' '),
      state: journey.state,
      code_challenge: createHash('sha256').update(journey.verifier).digest('base64url'),
      code_challenge_method: 'S256',
      // The most that GitHub can do to have somebody prove it anew.
      ...(journey.again ? { prompt: 'select_account' } : {}),
    }).toString()
    return url.href
  }

  async finish(provider: GithubProvider, journey: Journey, answer: URLSearchParams): Promise<Proved> {
    const { settings } = provider
    const refusal = answer.get('error')
    if (refusal !== null) return refusedByProvider(refusal, answer.get('error_description') ?? '')
    const code = textOf(answer.get('code'))
    if (code === undefined) return refused('it sent no code')
    try {
      const token = await this.#token(provider, journey, code)
      const user = objectOf(await ask(settings, token, '/user'))
      // The login can be given up and taken by somebody else; the number cannot.
      const { id } = user
      if (typeof id !== 'number' || !Number.isSafeInteger(id) || id <= 0) return refused('it sent no id of the user')
      const email = primaryEmail(await askAll(settings, token, '/user/emails'))
      const handle = textOf(user['login'])
      const displayName = textOf(user['name']) ?? handle
      const pictureUrl = pictureOf(user['avatar_url'])
      return {
        kind: 'proved',
        claims: {
          issuer: base(settings.url),
          subject: String(id),
          ...(email === undefined ? {} : { email }),
          ...(handle === undefined ? {} : { handle }),
          ...(displayName === undefined ? {} : { displayName }),
          ...(pictureUrl === undefined ? {} : { pictureUrl }),
          groups: wantsGroups(provider) ? await groupsOf(settings, token) : [],
        },
      }
    } catch (error) {
      return refused(messageOf(error))
    }
  }

  async #token({ id, settings }: GithubProvider, journey: Journey, code: string): Promise<string> {
    const said = objectOf(
      await read(`${base(settings.url)}/login/oauth/access_token`, {
        method: 'POST',
        headers: { accept: 'application/json' },
        body: new URLSearchParams({
          client_id: settings.clientId,
          client_secret: this.#deps.unseal(settings.clientSecret, id),
          code,
          redirect_uri: journey.redirectUri,
          code_verifier: journey.verifier,
        }),
      }),
    )
    // It answers 200 with an error in it.
    const token = textOf(said['access_token'], 1000)
    if (token !== undefined) return token
    throw new MeshError('api/refused', `GitHub gives no token: ${textOf(said['error']) ?? 'its answer has none'}`)
  }
}

/** The right to see somebody's organizations is asked for only if they matter. */
function wantsGroups({ groupDomain, admits }: Provider): boolean {
  return groupDomain !== undefined || admits.groups.length > 0
}

async function groupsOf(settings: GithubSettings, token: string): Promise<string[]> {
  const organizations = await askAll(settings, token, '/user/orgs')
  const teams = await askAll(settings, token, '/user/teams')
  const groups = [
    ...organizations.map((organization) => textOf(objectOf(organization)['login'])),
    ...teams.map((team) => {
      const { slug, organization } = objectOf(team)
      const [owner, name] = [textOf(objectOf(organization)['login']), textOf(slug)]
      return owner === undefined || name === undefined ? undefined : `${owner}/${name}`
    }),
  ]
  return groups.filter((group): group is string => group !== undefined)
}

/** Others may be verified as well, but the primary one is how they are called. */
function primaryEmail(emails: readonly unknown[]): string | undefined {
  const primary = emails.map(objectOf).find((email) => email['primary'] === true && email['verified'] === true)
  return addressOf(primary?.['email'])
}

async function askAll(settings: GithubSettings, token: string, path: string): Promise<unknown[]> {
  const all: unknown[] = []
  for (let page = 1; page <= PAGES_MAX; page++) {
    const some = await ask(settings, token, `${path}?per_page=${PAGE}&page=${page}`)
    if (!Array.isArray(some)) throw new MeshError('api/refused', `GitHub answers ${path} with no list`)
    all.push(...(some as unknown[]))
    if (some.length < PAGE) break
  }
  return all
}

async function ask(settings: GithubSettings, token: string, path: string): Promise<unknown> {
  return await read(`${base(settings.apiUrl)}${path}`, {
    headers: { accept: 'application/vnd.github+json', authorization: `Bearer ${token}`, 'user-agent': 'sett' },
  })
}

/** Reads JSON. What carries our secrets follows no redirect. */
async function read(url: string, init: RequestInit): Promise<unknown> {
  const response = await fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) })
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of response.body ?? []) {
    length += part.length
    if (length > ANSWER_MAX) throw new MeshError('api/refused', `${new URL(url).host} sends too much`)
    parts.push(part)
  }
  if (!response.ok) throw new MeshError('api/refused', `${new URL(url).pathname} answers ${response.status}`)
  return JSON.parse(Buffer.concat(parts).toString('utf8'))
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {}
}

function base(url: string): string {
  return url.replace(/\/+$/, '')
}
