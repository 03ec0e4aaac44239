/** Stands in for GitHub in tests: its OAuth 2.0 with PKCE, and the few calls of its API that say who somebody is. */

import { createHash, randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { askWho, formOf, sendJson, stand } from './form.ts'
import type { Standing } from './form.ts'

export interface GithubPerson {
  readonly id: number
  readonly login: string
  readonly name?: string
  readonly emails?: readonly { readonly email: string; readonly primary: boolean; readonly verified: boolean }[]
  readonly orgs?: readonly string[]
  /** As `org/team`. */
  readonly teams?: readonly string[]
}

export interface Github extends Standing {
  readonly clientId: string
  readonly clientSecret: string
  /** Scopes that were asked for last. */
  readonly scope: () => string
}

const CLIENT = { id: 'Iv1.test', secret: 'a-secret-of-the-test-app' }

export async function standGithub(people: readonly GithubPerson[], port = 0): Promise<Github> {
  const codes = new Map<string, { person: GithubPerson; challenge: string; redirect: string }>()
  const tokens = new Map<string, GithubPerson>()
  let asked = ''

  async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const url = new URL(req.url ?? '/', 'http://github.test')
    const query = url.searchParams
    if (url.pathname === '/login/oauth/authorize') {
      if (query.get('client_id') !== CLIENT.id || query.get('code_challenge_method') !== 'S256')
        return sendJson(res, 404, { message: 'Not Found' })
      asked = query.get('scope') ?? ''
      if (req.method !== 'POST') return askWho(res, req.url?.replaceAll('&', '&amp;') ?? '')
      const login = (await formOf(req)).get('login')
      const back = new URL(query.get('redirect_uri') ?? '')
      back.searchParams.set('state', query.get('state') ?? '')
      const person = people.find((one) => one.login === login)
      if (person === undefined) back.searchParams.set('error', 'access_denied')
      else {
        const code = randomUUID()
        back.searchParams.set('code', code)
        codes.set(code, {
          person,
          challenge: query.get('code_challenge') ?? '',
          redirect: query.get('redirect_uri') ?? '',
        })
      }
      res.writeHead(302, { location: back.href }).end()
      return
    }
    if (url.pathname === '/login/oauth/access_token') {
      const form = await formOf(req)
      const code = codes.get(form.get('code') ?? '')
      codes.delete(form.get('code') ?? '')
      const challenge = createHash('sha256')
        .update(form.get('code_verifier') ?? '')
        .digest('base64url')
      if (form.get('client_secret') !== CLIENT.secret)
        return sendJson(res, 200, { error: 'incorrect_client_credentials' })
      if (code === undefined || code.challenge !== challenge || code.redirect !== form.get('redirect_uri'))
        return sendJson(res, 200, { error: 'bad_verification_code' })
      const token = `gho_${randomUUID()}`
      tokens.set(token, code.person)
      return sendJson(res, 200, { access_token: token, token_type: 'bearer', scope: asked })
    }
    const person = tokens.get((req.headers.authorization ?? '').replace(/^Bearer /, ''))
    if (person === undefined) return sendJson(res, 401, { message: 'Bad credentials' })
    const said = sayingsOf(person)[url.pathname]
    if (said === undefined) return sendJson(res, 404, { message: 'Not Found' })
    if (!Array.isArray(said)) return sendJson(res, 200, said)
    const [size, page] = [Number(query.get('per_page') ?? 30), Number(query.get('page') ?? 1)]
    sendJson(res, 200, said.slice((page - 1) * size, page * size))
  }

  const standing = await stand(port, (req, res) => void answer(req, res))
  return { ...standing, clientId: CLIENT.id, clientSecret: CLIENT.secret, scope: () => asked }
}

function sayingsOf({ id, login, name, emails = [], orgs = [], teams = [] }: GithubPerson): Record<string, unknown> {
  return {
    '/user': { id, login, name: name ?? null, avatar_url: `https://avatars.example/${id}`, email: null },
    '/user/emails': emails,
    '/user/orgs': orgs.map((org) => ({ login: org })),
    '/user/teams': teams.map((team) => {
      const [org, slug] = team.split('/')
      return { slug, name: slug, organization: { login: org } }
    }),
  }
}
