/** The pages behind a device's login link: is this your device, and what became of it. */

import { shortKey } from '../../../base/keys.ts'
import { MINUTE_MS } from '../../../base/clock.ts'
import type { Wall } from '../../../base/clock.ts'
import type { PendingLogin, User } from '../../model/records.ts'
import { html } from './html.ts'
import type { Html, Page } from './html.ts'

/** Asked of somebody who is logged in. */
export function connectPage(login: PendingLogin, user: User, tailnet: string, csrf: string): Page {
  return {
    status: 200,
    title: 'Connect this device?',
    body: html`<p>You are logged in as <b>${user.loginName}</b>. A device asks to join <b>${tailnet}</b> as yours:</p>
      ${facts(login)}
      <p>
        Connect it only if you have just started this on that device yourself. Whoever holds it will reach what you may
        reach.
      </p>
      <form method="post" action="/login/${login.code}">
        <input type="hidden" name="csrf" value="${csrf}" /><button class="main" name="decision" value="connect">
          Connect
        </button>
      </form>
      <form method="post" action="/login/${login.code}">
        <input type="hidden" name="csrf" value="${csrf}" /><button name="decision" value="refuse">
          This is not my device
        </button>
      </form>
      <form method="post" action="/auth/sign-out">
        <input type="hidden" name="csrf" value="${csrf}" /><input
          type="hidden"
          name="next"
          value="/login/${login.code}"
        /><button>Use another account</button>
      </form>`,
  }
}

export function decidedPage(login: PendingLogin): Page {
  return login.outcome?.kind === 'approved'
    ? {
        status: 200,
        title: 'The device is connected',
        body: html`<p><b>${login.hostname}</b> is joining the network. You can close this page.</p>`,
      }
    : {
        status: 200,
        title: 'This device has been refused',
        body: html`<p><b>${login.hostname}</b> does not join. You can close this page.</p>`,
      }
}

/** Where nobody can log in by a browser: an administrator decides on the server. */
export function waitingPage(login: PendingLogin, now: Wall): Page {
  const minutes = Math.max(1, Math.ceil((login.expires - now) / MINUTE_MS))
  return {
    status: 200,
    title: 'A device asks to join',
    body: html`${facts(login)}
      <p>If you know this device, an administrator lets it in with this command on the server:</p>
      <pre>sett admin login approve ${login.code} --user NAME</pre>
      <p>
        NAME is the user whom the device will belong to. This code is good for ${minutes} more
        ${minutes === 1 ? 'minute' : 'minutes'}; if you don't know the device, do nothing.
      </p>`,
  }
}

/** Codes that never were, have run out or were used look alike. */
export const UNKNOWN_LOGIN: Page = {
  status: 404,
  title: 'This login is not open any more',
  body: html`<p>
    The link is mistyped, has been used, or its time is over. On the device, run <b>tailscale up</b> again to get a new
    one.
  </p>`,
}

export function facts(login: PendingLogin): Html {
  const rows: readonly (readonly [string, string])[] = [
    ['Device', login.hostname],
    ['System', login.os],
    ['Asks from', login.from],
    ['Key', shortKey(login.nodeKey)],
    ...(login.requestTags.length > 0 ? [['Wants tags', login.requestTags.join(', ')] as const] : []),
    ...(login.ephemeral ? [['Ephemeral', 'yes: it is forgotten when it goes'] as const] : []),
    ['Code', login.code],
  ]
  return html`<dl>
    ${rows.map(
      ([name, value]) =>
        html`<dt>${name}</dt>
          <dd>${value}</dd>`,
    )}
  </dl>`
}
