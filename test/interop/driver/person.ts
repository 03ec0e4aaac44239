/**
 * Somebody at a browser, for servers in a namespace: opens a link, logs in at the test's provider when they are asked to,
 * decides if there is something to decide, and prints the titles of the pages that they saw, as JSON.
 *
 *   node person.ts COOKIE-FILE LINK LOGIN allow|refuse|nothing
 *
 * The cookie file is their browser: kept from one run to the next.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'

interface Page {
  readonly url: URL
  readonly text: string
}

const [file = '', link = '', login = '', decision = ''] = process.argv.slice(2)
/** By origin, by name. */
const cookies: Record<string, Record<string, string>> = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}

async function load(address: URL, form?: URLSearchParams): Promise<Page> {
  let [url, body] = [address, form]
  for (let hops = 0; hops < 20; hops++) {
    const jar = (cookies[url.origin] ??= {})
    const response = await fetch(url, {
      redirect: 'manual',
      headers: {
        cookie: Object.entries(jar)
          .map(([name, value]) => `${name}=${value}`)
          .join('; '),
        ...(body === undefined ? {} : { origin: url.origin }),
      },
      ...(body === undefined ? {} : { method: 'POST', body }),
    })
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
      if (value === '') delete jar[name]
      else jar[name] = value
    }
    const to = response.headers.get('location')
    const text = await response.text()
    if (to === null) return { url, text }
    ;[url, body] = [new URL(to, url), undefined]
  }
  throw new Error(`${address.href} leads in circles`)
}

/** To the provider, as who they are, and back. */
async function proved({ url, text }: Page): Promise<Page> {
  const [, href = ''] = /<a href="(\/auth\/start\/[^"]*)"/.exec(text) ?? []
  const asked = await load(new URL(href.replaceAll('&#38;', '&'), url))
  const [, action = ''] = /<form method="post" action="(\/interaction\/[^"]*)"/.exec(asked.text) ?? []
  return await load(new URL(action, asked.url), new URLSearchParams({ login }))
}

const title = ({ text }: Page): string => /<title>([^<]*)</.exec(text)?.[1] ?? text
let page = await load(new URL(link))
const titles = [title(page)]
if (page.text.includes('href="/auth/start/')) titles.push(title((page = await proved(page))))
const offered = page.text.includes(`value="${decision}"`)
const [, csrf = ''] = /name="csrf" value="([0-9a-f]+)"/.exec(page.text) ?? []
if (offered) titles.push(title(await load(page.url, new URLSearchParams({ csrf, decision }))))
writeFileSync(file, JSON.stringify(cookies))
process.stdout.write(JSON.stringify(titles))
