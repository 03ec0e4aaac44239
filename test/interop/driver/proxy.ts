/**
 * The reverse proxies of the tests: each runs with the snippet that docs/proxy/ offers to people, completed with what
 * a snippet leaves to its reader.
 */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { findTool } from '../../lab/available.ts'
import type { Namespace } from '../../lab/namespace.ts'
import type { LabProcess } from '../../lab/process.ts'

export type Proxy = {
  readonly name: string
  readonly program: string
  readonly file: string
  /** The snippet with the test's certificate in place of the example's, and what a whole configuration needs around it. */
  readonly fill: (snippet: string, dir: string, certificates: string) => string
  readonly args: (config: string) => readonly string[]
}

export const PROXIES: readonly Proxy[] = [
  {
    name: 'nginx',
    program: 'nginx',
    file: 'nginx.conf',
    fill: (snippet, dir, certificates) => `daemon off; pid ${dir}/nginx.pid; error_log stderr info; events {}
http {
  access_log ${dir}/access.log;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${dir}/${kind};`).join(' ')}
  ${replaced(snippet, '/etc/ssl/sett/cert.pem', `${certificates}/server.pem`, '/etc/ssl/sett/key.pem', `${certificates}/server.key`)}
}`,
    args: (config) => ['-c', config, '-p', config.replace(/\/[^/]*$/, ''), '-e', 'stderr'],
  },
  {
    name: 'HAProxy',
    program: 'haproxy',
    file: 'haproxy.cfg',
    fill: (snippet, _dir, certificates) => replaced(snippet, '/etc/haproxy/sett.pem', `${certificates}/both.pem`),
    args: (config) => ['-db', '-f', config],
  },
  {
    name: 'Caddy',
    program: 'caddy',
    file: 'Caddyfile',
    fill: (snippet, _dir, certificates) => `{
	admin off
}
${replaced(snippet, '# With a certificate of your own: tls /etc/ssl/sett/cert.pem /etc/ssl/sett/key.pem', `tls ${certificates}/server.pem ${certificates}/server.key`)}`,
    args: (config) => ['run', '--adapter', 'caddyfile', '--config', config],
  },
]

/** `text` with each of the pairs replaced; a text that lacks one has drifted away from this test. */
function replaced(text: string, ...pairs: string[]): string {
  let result = text
  for (let n = 0; n < pairs.length; n += 2) {
    const [old = '', fresh = ''] = pairs.slice(n, n + 2)
    assert.ok(result.includes(old), `the snippet holds "${old}"`)
    result = result.replaceAll(old, fresh)
  }
  return result
}

/** The reason why this proxy can't run here, or `false`. */
export function proxyMissing(proxy: Proxy): string | false {
  return findTool(proxy.program) === undefined
    ? `${proxy.program} is not installed (Debian package ${proxy.program})`
    : false
}

/**
 * Starts the proxy in `at`.
 *
 * @param certificates folder with server.pem, server.key and both.pem
 * @param adapt what else to change in the snippet
 */
export function startProxy(
  proxy: Proxy,
  at: Namespace,
  certificates: string,
  adapt = (snippet: string) => snippet,
): LabProcess {
  const dir = join(at.dir, 'proxy')
  mkdirSync(dir)
  const snippet = readFileSync(fileURLToPath(new URL(`../../../docs/proxy/${proxy.file}`, import.meta.url)), 'utf8')
  const config = join(dir, proxy.file)
  writeFileSync(config, proxy.fill(adapt(snippet), dir, certificates))
  // Caddy keeps state in the first two of these folders.
  const env = { XDG_DATA_HOME: dir, XDG_CONFIG_HOME: dir, HOME: dir }
  return at.spawn(proxy.program, proxy.args(config), { env })
}
