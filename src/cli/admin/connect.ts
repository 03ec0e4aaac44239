/** Finds the server that `sett admin` is to talk to: a socket on this machine, or a URL and a token. */

import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { MeshError } from '../../base/errors.ts'
import { Secret } from '../../base/secret.ts'
import { createClient } from '../../sdk/client.ts'
import type { Client } from '../../sdk/client.ts'
import { socketFetch } from './socket-fetch.ts'
import { urlFetch } from './url-fetch.ts'

export interface Where {
  readonly socket?: string | undefined
  readonly url?: string | undefined
  readonly token?: string | undefined
}

export type Env = Readonly<Record<string, string | undefined>>

/** @throws MeshError `config/invalid` when what was said does not say where */
export function connect(where: Where, env: Env): Client {
  if (where.url === undefined) {
    if (where.token !== undefined) throw new MeshError('config/invalid', '--token needs --url: a socket takes no token')
    return createClient({ url: 'http://sett', fetch: socketFetch(where.socket ?? socketPath(env)) })
  }
  if (where.socket !== undefined) throw new MeshError('config/invalid', 'Want --socket or --url, not both')
  const url = checkUrl(where.url)
  const text = where.token ?? env['SETT_TOKEN']
  if (text === undefined || text === '')
    throw new MeshError('config/invalid', '--url needs a token: set SETT_TOKEN, or --token file:PATH')
  return createClient({ url, token: readToken(text), fetch: urlFetch(url) })
}

/** The socket in the server's data folder, wherever the server would look for that. */
export function socketPath(env: Env): string {
  if (env['SETT_SOCKET']) return env['SETT_SOCKET']
  if (env['SETT_DATA']) return join(env['SETT_DATA'], 'admin.sock')
  if (process.getuid?.() === 0) return '/var/lib/sett/admin.sock'
  const shared = env['XDG_DATA_HOME']
  const base = shared?.startsWith('/') === true ? shared : join(homedir(), '.local', 'share')
  return join(base, 'sett', 'admin.sock')
}

function checkUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new MeshError('config/invalid', `--url: want something like https://sett.example.com`)
  if (url.protocol === 'http:' && !/^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname))
    throw new MeshError(
      'config/invalid',
      `--url ${url.origin}: over plain HTTP the server answers its API on loopback only, and a token is sent nowhere else. ` +
        `On the machine of the server, leave --url away (that uses its socket) or say http://127.0.0.1:${url.port || 80}; ` +
        'from elsewhere, use https://, which takes a certificate (--tls) or a trusted proxy in front of the server',
    )
  return text
}

/** A token as it is, or from the file that `file:PATH` names, so that it need not stand in a command line. */
function readToken(text: string): Secret {
  if (!text.startsWith('file:')) return new Secret(text.trim(), 'token')
  try {
    return new Secret(readFileSync(text.slice(5), 'utf8').trim(), 'token')
  } catch (cause) {
    throw new MeshError('config/invalid', `Cannot read the token from ${text.slice(5)}: ${(cause as Error).message}`, {
      cause,
    })
  }
}
