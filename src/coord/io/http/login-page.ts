/**
 * The page behind a login link: which device asks to join, and how an administrator lets it.
 *
 * Everything on it was chosen by a stranger's device, so every value is escaped, and the page may load, run and
 * send nothing. It shows facts only; deciding is done elsewhere, by somebody who is known.
 */

import { createHash } from 'node:crypto'
import { shortKey } from '../../../base/keys.ts'
import type { PendingLogin } from '../../model/records.ts'

export interface Page {
  readonly status: number
  readonly html: string
}

/** What a login code can look like; anything else is not even looked up. */
const CODE = /^[A-Za-z0-9_-]{8,64}$/

/** The code in a path, if the path is that of a login page. */
export function codeInPath(path: string): string | undefined {
  const code = path.startsWith('/login/') ? path.slice('/login/'.length) : undefined
  return code !== undefined && CODE.test(code) ? code : undefined
}

const STYLE = `
body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem;color:#222;background:#fff}
h1{font-size:1.4rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.3rem 1rem}
dt{color:#666}
dd{margin:0;overflow-wrap:anywhere}
pre{background:#f3f3f3;padding:.8rem;white-space:pre-wrap;overflow-wrap:anywhere;user-select:all}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}dt{color:#999}pre{background:#262626}}
`

/** The page loads nothing, runs nothing, sends nothing and stands in nobody's frame. */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-robots-tag': 'noindex',
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"'`]/g, (c) => `&#${c.charCodeAt(0)};`)
}

/** A value for the page: control and direction-changing characters, which could make it read otherwise, are shown as such. */
function shown(text: string): string {
  // oxlint-disable-next-line no-control-regex
  const visible = text.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, (c) => {
    return `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
  return escapeHtml(visible.length > 255 ? `${visible.slice(0, 255)}…` : visible)
}

function page(status: number, title: string, body: string): Page {
  return {
    status,
    html: `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escapeHtml(title)}</h1>
${body}
</body>
</html>
`,
  }
}

/** @param now calendar time, for logins that have run out but are not yet cleaned up */
export function loginPage(login: PendingLogin | undefined, now: number): Page {
  if (login === undefined || (login.outcome === undefined && login.expires <= now)) return unknownLogin()
  if (login.outcome?.kind === 'approved') {
    return page(
      200,
      'This device has been approved',
      `<p>${shown(login.hostname)} may join. You can close this page.</p>`,
    )
  }
  if (login.outcome?.kind === 'refused') {
    return page(200, 'This device has been refused', `<p>${shown(login.hostname)} may not join.</p>`)
  }
  const minutes = Math.max(1, Math.ceil((login.expires - now) / 60_000))
  const facts: readonly (readonly [string, string])[] = [
    ['Device', login.hostname],
    ['System', login.os],
    ['Asks from', login.from],
    ['Key', shortKey(login.nodeKey)],
    ...(login.requestTags.length > 0 ? [['Wants tags', login.requestTags.join(', ')] as const] : []),
    ...(login.ephemeral ? [['Ephemeral', 'yes: it is forgotten when it goes'] as const] : []),
    ['Code', login.code],
  ]
  return page(
    200,
    'A device asks to join',
    `<dl>
${facts.map(([name, value]) => `<dt>${name}</dt><dd>${shown(value)}</dd>`).join('\n')}
</dl>
<p>If you know this device, an administrator lets it in with this command on the server:</p>
<pre>sett admin login approve ${shown(login.code)} --user NAME</pre>
<p>NAME is the user whom the device will belong to. This code is good for ${minutes} more ${minutes === 1 ? 'minute' : 'minutes'}; if you don't know the device, do nothing.</p>`,
  )
}

/** Codes that never were, have run out or were used look alike. */
export function unknownLogin(): Page {
  return page(
    404,
    'This login is not open any more',
    '<p>The link is mistyped, or its time is over. On the device, run <b>tailscale up</b> again to get a new one.</p>',
  )
}

export function tooManyLookups(): Page {
  return page(429, 'Too many tries', '<p>Wait a minute, then load this page again.</p>')
}
