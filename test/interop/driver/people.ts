/** People who log in at the server of a world by a provider that stands beside it, each in a browser of their own. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { ranIn } from './ran.ts'
import type { World } from './world.ts'

const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** Puts a provider beside the server, which vouches for these people at example.com. */
export async function addProvider(
  { server, serverNamespace, control }: World,
  logins: readonly string[],
): Promise<void> {
  const provider = serverNamespace.spawn(process.execPath, [
    script('stand-openid.ts'),
    `${control}/auth/callback`,
    ...logins,
  ])
  const [line] = await provider.waitFor(/^\{.*\}$/m)
  const { issuer, clientId, clientSecret } = JSON.parse(line) as Record<string, string>
  await server.api('PUT', '/api/v2/sett/tailnet/-/identity-providers/work', {
    title: 'Work',
    settings: { kind: 'oidc', issuer, clientId, clientSecret },
    admits: { domains: ['example.com'] },
  })
}

/**
 * Opens a link, logs in if asked to, and decides if that is asked.
 *
 * @param browser browsers of one name are one browser
 * @returns titles of the pages that were seen
 */
export async function opens(
  { serverNamespace: at, clientEnv }: World,
  link: string,
  who: string,
  decision: 'allow' | 'refuse' | 'nothing',
  browser = who,
): Promise<readonly string[]> {
  const { code, out, err } = await ranIn(at, 'env', [
    `NODE_EXTRA_CA_CERTS=${clientEnv['SSL_CERT_FILE']}`,
    process.execPath,
    script('person.ts'),
    join(at.dir, `browser-of-${browser}`),
    link,
    who,
    decision,
  ])
  assert.equal(code, 0, err)
  return JSON.parse(out) as string[]
}
