/** The pages behind the link that an SSH login shows: prove who you are, is this your login, and what became of it. */

import type { User } from '../../model/records.ts'
import { html } from './html.ts'
import type { Html, Page } from './html.ts'
import { messagePage } from './people.ts'

/** A login that waits for its check, in names. */
export interface WaitingLogin {
  readonly code: string
  /** Local account. */
  readonly account: string
  /** Names of devices. */
  readonly from: string
  readonly to: string
}

export const SSH_TITLE = 'A login by SSH waits for you'

export function sshFacts({ account, from, to }: WaitingLogin): Html {
  return html`<dl>
    <dt>From</dt>
    <dd>${from}</dd>
    <dt>To</dt>
    <dd>${to}</dd>
    <dt>As account</dt>
    <dd>${account}</dd>
  </dl>`
}

/** Asked of whoever has just proved that it is theirs to decide. */
export function allowPage(login: WaitingLogin, user: User, csrf: string): Page {
  return {
    status: 200,
    title: 'Let this login in?',
    body: html`<p>You are logged in as <b>${user.loginName}</b>. Somebody logs in by SSH from a device of yours:</p>
      ${sshFacts(login)}
      <p>Let it in only if that is you, just now.</p>
      ${decisionForm(login, csrf, html`<button class="main" name="decision" value="allow">Let it in</button>`)}
      ${refuseForm(login, csrf)}`,
  }
}

/** @param again where they prove once more who they are, and come back from */
export function provePage(login: WaitingLogin, user: User, csrf: string, again: string): Page {
  return {
    status: 200,
    title: SSH_TITLE,
    body: html`${sshFacts(login)}
      <p>
        You are logged in as <b>${user.loginName}</b>, and have been since before this login began. If it is yours,
        prove once more who you are.
      </p>
      <ul class="ways">
        <li><a href="${again}">Log in again to let it in</a></li>
      </ul>
      ${refuseForm(login, csrf)}`,
  }
}

/** For a person to whom the device does not belong. */
export function foreignPage({ code }: Pick<WaitingLogin, 'code'>, user: User, csrf: string): Page {
  return {
    status: 403,
    title: 'This login is not yours',
    body: html`<p>
        You are logged in as <b>${user.loginName}</b>, and the login comes from a device of somebody else. Only they can
        let it in.
      </p>
      <form method="post" action="/auth/sign-out">
        <input type="hidden" name="csrf" value="${csrf}" /><input
          type="hidden"
          name="next"
          value="/ssh-check/${code}"
        /><button>Use another account</button>
      </form>`,
  }
}

export function passedPage(to: string): Page {
  return {
    status: 200,
    title: 'The login goes on',
    body: html`<p>You are let in at <b>${to}</b>. You can close this page.</p>`,
  }
}

export const REFUSED_PAGE: Page = messagePage(
  200,
  'The login has been refused',
  'Nobody was let in. If it was not you who began it, somebody else uses your device: tell an administrator.',
)

/** Codes that never were, have run out or were used look alike. */
export const UNKNOWN_CHECK: Page = messagePage(
  404,
  'This login does not wait any more',
  'The link is mistyped, has been used, or its time is over. Log in by SSH again to get a new one.',
)

function refuseForm(login: WaitingLogin, csrf: string): Html {
  return decisionForm(login, csrf, html`<button name="decision" value="refuse">This is not my login</button>`)
}

function decisionForm({ code }: WaitingLogin, csrf: string, button: Html): Html {
  return html`<form method="post" action="/ssh-check/${code}">
    <input type="hidden" name="csrf" value="${csrf}" />${button}
  </form>`
}
