/** What a browser that opens the link of an SSH check is shown, step by step, and what it may send. */

import type { Ledger } from '../model/ledger.ts'
import { isOpen } from '../model/ssh-checks.ts'
import type { SshCheck } from '../model/ssh-checks.ts'
import type { Door } from './door.ts'
import { html } from './pages/html.ts'
import { messagePage, signInPage } from './pages/people.ts'
import {
  allowPage,
  foreignPage,
  passedPage,
  provePage,
  REFUSED_PAGE,
  SSH_TITLE,
  sshFacts,
  UNKNOWN_CHECK,
} from './pages/ssh-check.ts'
import type { WaitingLogin } from './pages/ssh-check.ts'
import { decideSshCheck, isProved, isTheirs } from './ssh-check.ts'
import { byUser, page } from './visit.ts'
import type { Reply, Visit } from './visit.ts'
import { waysInto } from './ways.ts'

export class SshCheckSite {
  readonly #door: Door
  readonly #ledger: Ledger

  constructor(door: Door, ledger: Ledger) {
    this.#door = door
    this.#ledger = ledger
  }

  /** @param code what stands after `/ssh-check/` */
  async visit(visit: Visit, code: string): Promise<Reply> {
    return visit.method === 'POST' ? await this.#decide(visit, code) : this.#page(visit, code)
  }

  #page(visit: Visit, code: string): Reply {
    const { model } = this.#ledger
    const check = model.server.get('ssh-check', code)
    const tailnet = check && model.tailnet(check.tailnet)
    if (check === undefined || tailnet === undefined || !isOpen(check, this.#ledger.now())) return page(UNKNOWN_CHECK)
    const signedIn = this.#door.who(visit)
    const next = `/ssh-check/${code}`
    if (signedIn === undefined) {
      const ways = waysInto(model, tailnet, next)
      const login = this.#named(code, check)
      if (ways === undefined) return page(NO_WAY_IN)
      const intro = html`${sshFacts(login)}
        <p>If it is yours, log in to let it in.</p>`
      return page(signInPage(ways, SSH_TITLE, intro))
    }
    const csrf = this.#door.csrf(signedIn)
    if (!isTheirs(check, signedIn)) return page(foreignPage({ code }, signedIn.user, csrf))
    const login = this.#named(code, check)
    if (isProved(check, signedIn.session.authenticated)) return page(allowPage(login, signedIn.user, csrf))
    return page(provePage(login, signedIn.user, csrf, this.#door.again(signedIn, next).to))
  }

  async #decide(visit: Visit, code: string): Promise<Reply> {
    const signedIn = this.#door.who(visit)
    const body = await visit.body()
    const decision = body.get('decision')
    if (signedIn === undefined || !this.#door.isOurs(visit, body, signedIn)) return STALE
    if (decision !== 'allow' && decision !== 'refuse') return STALE
    const by = byUser(signedIn, visit)
    const decided = await decideSshCheck(this.#ledger, code, decision, signedIn, by)
    switch (decided.kind) {
      case 'gone':
        return page(UNKNOWN_CHECK)
      case 'foreign':
        return page(foreignPage({ code }, signedIn.user, this.#door.csrf(signedIn)))
      case 'unproved':
        return this.#page(visit, code)
      case 'decided':
        await this.#door.sessions.touch(signedIn, by)
        return page(decision === 'allow' ? passedPage(this.#named(code, decided.check).to) : REFUSED_PAGE)
    }
  }

  #named(code: string, { tailnet, source, target, account }: SshCheck): WaitingLogin {
    const state = this.#ledger.model.state(tailnet)
    const name = (id: number): string => state.node(id)?.name ?? 'a device that is gone'
    return { code, account, from: name(source), to: name(target) }
  }
}

const STALE: Reply = page(
  messagePage(403, 'This page is out of date', 'Load it again, then try once more. Nothing was changed.'),
)
const NO_WAY_IN = messagePage(
  200,
  'Nobody can log in yet',
  'This network has no identity provider and nobody has a passkey, so that nobody can pass a check. An administrator sets one up on the server: sett admin providers add, or sett admin users link NAME.',
)
