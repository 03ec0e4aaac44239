/** Debian's Chromium, driven by playwright-core: whether it is here, and browsers that know nobody yet. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core'
import { findTool } from '../lab/available.ts'
import type { Namespace } from '../lab/namespace.ts'

/** The reason why there is no browser to test with, or `false`: given to `skip`. */
export function browserMissing(): string | false {
  return findTool('chromium') === undefined && 'there is no chromium (Debian: chromium)'
}

export class Chromium {
  readonly #browser: Browser

  private constructor(browser: Browser) {
    this.#browser = browser
  }

  /** @param where the namespace that it lives in, if not the machine's own */
  static async open(where?: Namespace): Promise<Chromium> {
    const path = findTool('chromium') ?? ''
    const browser = await chromium.launch({
      executablePath: where === undefined ? path : entering(where, path),
      // It is started by root in containers, and looks at nothing but our pages.
      args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-background-networking'],
    })
    return new Chromium(browser)
  }

  /** A browser of somebody of their own: no cookies, no passkeys. */
  async person(): Promise<Person> {
    const context = await this.#browser.newContext()
    context.setDefaultTimeout(10_000)
    return new Person(context, await context.newPage())
  }

  async close(): Promise<void> {
    await this.#browser.close()
  }
}

export class Person {
  readonly context: BrowserContext
  readonly page: Page
  /** Errors of scripts and of pages' policies, which no page of ours should have. */
  readonly complaints: string[] = []

  constructor(context: BrowserContext, page: Page) {
    this.context = context
    this.page = page
    page.on('pageerror', (error) => this.complaints.push(error.message))
    page.on('console', (message) => {
      const text = message.text()
      if (message.type() === 'error' && !/status of 4\d\d|favicon/.test(text)) this.complaints.push(text)
    })
  }

  async open(url: string): Promise<void> {
    await this.page.goto(url)
  }

  /** Follows a link or presses a button, whichever says so, and waits for what comes of it. */
  async press(name: string | RegExp): Promise<void> {
    const [link, button] = (['link', 'button'] as const).map((role) =>
      this.page.getByRole(role, { name, exact: true }),
    ) as [Locator, Locator]
    await link.or(button).click()
  }

  /** Says at a provider's page who they are. */
  async signInAs(login: string): Promise<void> {
    await this.page.locator('input[name=login]').fill(login)
    await this.press('Sign in')
  }

  /** Waits for a page of ours with this title. */
  async sees(title: string | RegExp): Promise<void> {
    await this.page.getByRole('heading', { level: 1, name: title }).waitFor()
  }

  async text(): Promise<string> {
    return await this.page.locator('main').innerText()
  }

  /** Gives the browser an authenticator that says yes to all, as a phone does with its owner's finger on it. */
  async getAuthenticator(): Promise<void> {
    const cdp = await this.context.newCDPSession(this.page)
    await cdp.send('WebAuthn.enable')
    await cdp.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        protocol: 'ctap2',
        transport: 'internal',
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.context.close()
  }
}

/** A program that starts another one inside a namespace's network. */
function entering({ id, dir }: Namespace, path: string): string {
  const script = join(dir, 'chromium.sh')
  writeFileSync(script, `#!/bin/sh\nexec nsenter --net=/run/netns/${id} ${path} "$@"\n`, { mode: 0o755 })
  return script
}
