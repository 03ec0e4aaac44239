/** The pages on which people log in, see that they are, and are told what went wrong. */

import { formatTime } from '../../../base/clock.ts'
import type { Provider, Session, Tailnet, Ticket, User } from '../../model/records.ts'
import { Html, html } from './html.ts'
import type { Page } from './html.ts'

/** How to get in, and where to go on to. */
export interface Ways {
  readonly tailnet: Tailnet
  readonly providers: readonly Provider[]
  /** Somebody has one here. */
  readonly passkeys: boolean
  readonly next: string
}

export function signInPage(ways: Ways, title: string, intro: Html): Page {
  const { tailnet, next } = ways
  const to = (path: string) => `${path}?${new URLSearchParams({ tailnet: tailnet.stableId, next }).toString()}`
  return {
    status: 200,
    title,
    body: html`${intro}
      <ul class="ways">
        ${ways.providers.map(({ id, title: name }) => html`<li><a href="${to(`/auth/start/${id}`)}">Log in with ${name}</a></li>`)}
        ${ways.passkeys ? html`<li><a href="${to('/auth/passkey')}">Log in with a passkey</a></li>` : undefined}
      </ul>`,
  }
}

/** Several tailnets live here, and the page does not tell strangers which. */
export function whichTailnetPage(next: string, unknown?: string): Page {
  return {
    status: 200,
    title: 'Which network?',
    body: html`${unknown === undefined ? undefined : html`<p>There is no network “${unknown}” here.</p>`}
      <form method="get" action="/auth">
        <input type="hidden" name="next" value="${next}" />
        <p>
          <label
            >Name of your network <input type="text" name="tailnet" required autofocus autocomplete="organization"
          /></label>
        </p>
        <button class="main">Go on</button>
      </form>`,
  }
}

export function accountPage(
  user: User,
  tailnet: Tailnet,
  sessions: readonly (readonly [string, Session])[],
  csrf: string,
): Page {
  const hidden = html`<input type="hidden" name="csrf" value="${csrf}" />`
  return {
    status: 200,
    title: user.displayName,
    body: html`<p>You are logged in to <b>${tailnet.name}</b> as <b>${user.loginName}</b> (${user.role}).</p>
      <p class="quiet">Browsers in which you are logged in:</p>
      <dl>
        ${sessions.map(
          ([, session]) =>
            html`<dt>${formatTime(session.used)}</dt>
              <dd>${session.agent} <span class="quiet">from ${session.from}</span></dd>`,
        )}
      </dl>
      <p><a href="/auth/passkey/add">Add a passkey</a></p>
      <form method="post" action="/auth/sign-out">${hidden}<button>Log out</button></form>
      <form method="post" action="/auth/sign-out">
        ${hidden}<input type="hidden" name="everywhere" value="yes" /><button>Log out everywhere</button>
      </form>`,
  }
}

const TICKET_TITLES: Readonly<Record<Ticket['purpose'], (tailnet: string) => string>> = {
  owner: (tailnet) => `Become the owner of ${tailnet}`,
  invite: (tailnet) => `You are invited to ${tailnet}`,
  passkey: (tailnet) => `Your way into ${tailnet}`,
}

/** Behind a link that lets somebody in once: by what, they choose. @param text what the link ends with */
export function ticketPage(ticket: Ticket, text: string, tailnet: Tailnet, providers: readonly Provider[]): Page {
  const to = (path: string) => `${path}?${new URLSearchParams({ ticket: text, next: '/auth' }).toString()}`
  return {
    status: 200,
    title: TICKET_TITLES[ticket.purpose](tailnet.name),
    body: html`<p>Choose how you will log in from now on. This link is good once.</p>
      <ul class="ways">
        ${providers.map(({ id, title }) => html`<li><a href="${to(`/auth/start/${id}`)}">Log in with ${title}</a></li>`)}
        ${ticket.purpose === 'invite' && ticket.email === undefined ? undefined : html`<li><a href="${to('/auth/passkey/add')}">Make a passkey</a></li>`}
      </ul>`,
  }
}

/** Something went wrong, or is not allowed; said to a person. */
export function messagePage(status: number, title: string, text: string, next?: string): Page {
  return {
    status,
    title,
    body: html`<p>${text}</p>
      ${next === undefined ? undefined : html`<p><a href="${next}">Try again</a></p>`}`,
  }
}

/** Posts a provider's answer from here, at once where there is JavaScript. @param answer base64 */
export function handOnPage(state: string, answer: string): Page {
  return {
    status: 200,
    title: 'You are being logged in',
    script: 'hand-on',
    body: html`<form method="post" action="/auth/callback">
      <input type="hidden" name="state" value="${state}" />
      <input type="hidden" name="SAMLResponse" value="${new Html(answer)}" />
      <button class="main">Go on</button>
    </form>`,
  }
}

/** @param add to be added to who is logged in, rather than to log in by */
export function passkeyPage(next: string, add: boolean, csrf: string, title: string): Page {
  return {
    status: 200,
    title,
    script: 'passkey',
    body: html`<p>
        ${add ? 'Your device will ask you for a fingerprint, a face, a PIN or a security key.' : 'Your device will ask which passkey to use.'}
      </p>
      <button class="main" id="passkey" data-add="${add ? 'yes' : 'no'}" data-next="${next}" data-csrf="${csrf}">
        ${add ? 'Make a passkey' : 'Use a passkey'}
      </button>
      <p id="says" role="status"></p>
      <noscript><p>Passkeys need JavaScript in this browser.</p></noscript>`,
  }
}
