/**
 * The pages of the server as Node's HTTP server calls them: cookies, forms and headers in, documents out.
 * Loaded when somebody opens the first page.
 */

import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { document, policyOf, STYLE } from '../../people/pages/html.ts'
import type { Page } from '../../people/pages/html.ts'
import { messagePage } from '../../people/pages/people.ts'
import type { Site } from '../../people/site.ts'
import type { Cookie, Reply, Visit } from '../../people/visit.ts'
import { HTML, JSON_TEXT, respond } from './respond.ts'
import { SCRIPTS } from './scripts.ts'

export interface SiteListenerOptions {
  readonly site: Site
  /** The origin that browsers use. */
  readonly url: string
  addressOf(req: IncomingMessage): string
}

/** `secure`: nobody in between can read what is sent. */
export type SiteListener = (req: IncomingMessage, res: ServerResponse, secure: boolean) => Promise<void>

const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64')
/** A provider's answer by SAML is as long as its list of groups; passkeys' answers are a few kilobytes, forms less. */
const MAX_BODY = 256 * 1024
const HEADERS = {
  'cache-control': 'no-store',
  // Not `no-referrer`: browsers would call the origin of our own forms `null`.
  'referrer-policy': 'same-origin',
  'x-robots-tag': 'noindex',
  'cross-origin-opener-policy': 'same-origin',
} as const

export function createSiteListener(options: SiteListenerOptions): SiteListener {
  const { site, url } = options
  return async (req, res, secure) => {
    const target = URL.parse(req.url ?? '/', url)
    if (target === null) return sendPage(res, messagePage(400, 'That is no address', 'The address is mistyped.'))
    const script = req.method === 'GET' ? SCRIPTS.get(target.pathname) : undefined
    if (script !== undefined) return respond(res, 200, 'text/javascript; charset=utf-8', script, HEADERS)
    const visit: Visit = {
      method: req.method === 'HEAD' ? 'GET' : (req.method ?? ''),
      url: target,
      cookies: cookiesOf(req),
      origin: req.headers.origin,
      agent: req.headers['user-agent'] ?? '',
      from: options.addressOf(req),
      secure,
      body: () => readFields(req),
    }
    send(res, await site.visit(visit))
  }
}

function send(res: ServerResponse, reply: Reply): void {
  const cookies = (reply.cookies ?? []).map(cookieText)
  if (cookies.length > 0) res.setHeader('set-cookie', cookies)
  switch (reply.kind) {
    case 'page':
      return sendPage(res, reply.page)
    case 'json':
      return respond(res, reply.status, JSON_TEXT, JSON.stringify(reply.value), HEADERS)
    case 'go':
      res.writeHead(303, { ...HEADERS, location: reply.to }).end()
  }
}

function sendPage(res: ServerResponse, page: Page): void {
  respond(res, page.status, HTML, document(page), { ...HEADERS, 'content-security-policy': policyOf(page, STYLE_HASH) })
}

/** For this host alone, over TLS alone, out of reach of scripts and of other sites' requests. */
function cookieText({ name, value, maxAge }: Cookie): string {
  const age = value === undefined ? '; Max-Age=0' : maxAge === undefined ? '' : `; Max-Age=${maxAge}`
  return `${name}=${value?.reveal() ?? ''}; Path=/; Secure; HttpOnly; SameSite=Lax${age}`
}

function cookiesOf(req: IncomingMessage): ReadonlyMap<string, string> {
  const cookies = new Map<string, string>()
  for (const part of (req.headers.cookie ?? '').split(';')) {
    const at = part.indexOf('=')
    // The first of a name counts: nobody can put another one in front of ours, whose name browsers guard.
    if (at > 0 && !cookies.has(part.slice(0, at).trim()))
      cookies.set(part.slice(0, at).trim(), part.slice(at + 1).trim())
  }
  return cookies
}

/** The fields of a form, or the members of a JSON object; nothing for what is neither, or too long. */
async function readFields(req: IncomingMessage): Promise<ReadonlyMap<string, unknown>> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of req as AsyncIterable<Buffer>) {
    length += part.length
    if (length > MAX_BODY) return new Map()
    parts.push(part)
  }
  const text = Buffer.concat(parts).toString('utf8')
  const type = (req.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase()
  if (type === 'application/x-www-form-urlencoded') return new Map(new URLSearchParams(text))
  if (type !== 'application/json') return new Map()
  try {
    const value: unknown = JSON.parse(text)
    return new Map(typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : [])
  } catch {
    return new Map()
  }
}
