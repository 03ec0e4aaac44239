/**
 * The options of `sett coord`: what each is called, accepts and defaults to, and how its text becomes a value.
 *
 * All sources (flags, environment, file) speak the same texts. Where they are read, and which wins, is
 * config.ts's matter.
 */

import { isIP } from 'node:net'
import { Secret } from '../../../base/secret.ts'

/** Where to listen. An empty host means every interface, IPv6 included where there is any. */
export interface Listen {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
}

/** A certificate chain and its private key: files in PEM. */
export interface TlsFiles {
  readonly cert: string
  readonly key: string
}

/** Key id and key by which the authority knows a customer. */
export interface ExternalAccountText {
  readonly kid: string
  /** In base64url, as authorities hand it out. */
  readonly key: Secret
}

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]
export const LOG_FORMATS = ['text', 'json'] as const
export type LogFormat = (typeof LOG_FORMATS)[number]

export interface Config {
  readonly listen: readonly Listen[]
  /** Origin under which clients reach the control listener, without a slash at its end; absent: derived. */
  readonly url: string | undefined
  readonly data: string
  /** `sqlite:FILE` or `postgres://…`; may hold a password. */
  readonly database: Secret
  readonly tls: 'off' | 'acme' | TlsFiles
  /** Address of the directory of the authority that `acme` asks. */
  readonly acmeDirectory: string
  readonly acmeEmail: string | undefined
  readonly acmeEab: ExternalAccountText | undefined
  /** Where clear text is answered beside TLS. */
  readonly httpListen: readonly Listen[]
  /** Addresses and prefixes of proxies whose word about forwarded addresses is taken. */
  readonly trustedProxy: readonly string[]
  /** Addresses beyond the internet that webhooks and log streams may be sent to. */
  readonly privateTargets: readonly string[]
  readonly relayListen: Listen
  readonly stunListen: readonly Listen[]
  readonly tailnetDomain: string
  /** Audit logs keep their entries for so many days. */
  readonly auditDays: number
  readonly logLevel: LogLevel
  readonly logFormat: LogFormat
}

export type OptionName =
  | 'listen'
  | 'url'
  | 'data'
  | 'database'
  | 'tls'
  | 'http-listen'
  | 'acme-directory'
  | 'acme-email'
  | 'acme-eab'
  | 'trusted-proxy'
  | 'private-targets'
  | 'relay-listen'
  | 'stun-listen'
  | 'tailnet-domain'
  | 'audit-days'
  | 'log-level'
  | 'log-format'

/** Why a text is not a value; said to whoever wrote it. */
export class Wrong {
  readonly why: string
  constructor(why: string) {
    this.why = why
  }
}

export interface Option<T> {
  /** The word after the flag in the help. */
  readonly arg: string
  readonly help: string
  /** What is accepted, as a complaint ends: "want …". */
  readonly want: string
  /** The text that counts when nobody says one; where there is none, `absent` says in words what happens. */
  readonly fallback?: string
  readonly absent?: string
  /** The value may hold a password: complaints must not repeat it. */
  readonly secret?: true
  readonly parse: (text: string) => T | Wrong
}

/** `HOST:PORT`, `:PORT`, `[IPv6]:PORT`. */
export function parseListen(text: string): Listen | Wrong {
  const m = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(text)
  if (m === null) {
    if (isIP(text) !== 0) return new Wrong('the port is missing')
    return new Wrong(/:[^:\]]*$/.test(text) ? 'this is no address with a port' : 'the port is missing')
  }
  const port = Number(m[3])
  if (port > 65535) return new Wrong(`there is no port ${port}`)
  const host = m[1] ?? m[2] ?? ''
  if (m[1] !== undefined && isIP(host) !== 6) return new Wrong('what stands in brackets is no IPv6 address')
  if (m[1] === undefined && host !== '' && isIP(host) !== 4 && !isHostName(host)) {
    return new Wrong('the host is no address and no name')
  }
  return { host, port }
}

/** A DNS name in its ordinary form: labels of letters, digits and inner hyphens. */
export function isHostName(text: string): boolean {
  if (text.length > 253 || /^[\d.]+$/.test(text)) return false
  return text.split('.').every((label) => /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i.test(label))
}

function list<T>(parse: (text: string) => T | Wrong, limit: number): (text: string) => readonly T[] | Wrong {
  return (text) => {
    const values: T[] = []
    for (const part of text.split(',')) {
      const value = parse(part.trim())
      if (value instanceof Wrong) return value
      values.push(value)
    }
    return values.length > limit ? new Wrong(`there are ${values.length} of them`) : values
  }
}

function oneOf<T extends string>(values: readonly T[]): (text: string) => T | Wrong {
  return (text) => values.find((v) => v === text.toLowerCase()) ?? new Wrong('there is no such choice')
}

function parseUrl(text: string): string | Wrong {
  if (!URL.canParse(text)) return new Wrong('this is no URL')
  const url = new URL(text)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return new Wrong(`clients can't use ${url.protocol}//`)
  if (url.username !== '' || url.password !== '') return new Wrong('a name or password has no place in it')
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') return new Wrong('it has more than a host and port')
  return url.origin
}

function parseTls(text: string): 'off' | 'acme' | TlsFiles | Wrong {
  const word = text.toLowerCase()
  if (word === 'off' || word === 'acme') return word
  const [cert, key, more] = text.split(',').map((part) => part.trim())
  if (cert === undefined || cert === '' || key === undefined || key === '') return new Wrong('the key file is missing')
  return more === undefined ? { cert, key } : new Wrong('there are more than two files')
}

function parseDirectory(text: string): string | Wrong {
  if (!URL.canParse(text)) return new Wrong('this is no URL')
  const url = new URL(text)
  if (url.protocol !== 'https:') return new Wrong('authorities are asked over TLS only')
  if (url.username !== '' || url.password !== '') return new Wrong('a name or password has no place in it')
  return url.href
}

function parseEmail(text: string): string | Wrong {
  return /^[^\s@<>"',;:?%]{1,64}@[^\s@<>"',;:?%]{1,190}$/.test(text) ? text : new Wrong('this is no e-mail address')
}

function parseExternalAccount(text: string): ExternalAccountText | Wrong {
  const [, kid, key] = /^([\x21-\x39\x3b-\x7e]{1,256}):([A-Za-z0-9_-]{16,1024})$/.exec(text) ?? []
  // Of four characters each, one is never left over.
  if (kid === undefined || key === undefined || key.length % 4 === 1) return new Wrong('it is no key id and key')
  return { kid, key: new Secret(key, 'key of the authority') }
}

/** One entry of `--trusted-proxy` or `--private-targets`, as `net.BlockList` wants it: an address or a prefix. */
function parseProxy(text: string): string | Wrong {
  if (text.toLowerCase() === 'loopback') return 'loopback'
  const [address = '', bits, more] = text.split('/')
  const family = isIP(address)
  if (family === 0 || address.includes('%')) return new Wrong(`"${text}" is no address`)
  if (more !== undefined) return new Wrong(`"${text}" is no prefix`)
  if (bits !== undefined && (!/^\d{1,3}$/.test(bits) || Number(bits) > (family === 4 ? 32 : 128))) {
    return new Wrong(`"${text}" has a prefix length that does not exist`)
  }
  return text
}

function parseDatabase(text: string): Secret | Wrong {
  if (/^sqlite:(\/\/)?\s*$/.test(text)) return new Wrong('the file is missing')
  if (text.startsWith('sqlite:')) return new Secret(text, 'database')
  if (!/^postgres(?:ql)?:\/\//.test(text)) return new Wrong('the engine is not known')
  return URL.canParse(text) ? new Secret(text, 'database') : new Wrong('this is no URL')
}

function parseDomain(text: string): string | Wrong {
  const name = text.toLowerCase().replace(/\.$/, '')
  if (!isHostName(name)) return new Wrong('this is no DNS name')
  // A tailnet adds a label of up to 63 bytes in front, a node another one.
  return name.length > 120 ? new Wrong('it is longer than 120 characters') : name
}

function parseDays(text: string): number | Wrong {
  return /^[1-9]\d{0,3}$/.test(text) && Number(text) <= 3650 ? Number(text) : new Wrong('this is no such number')
}

function parsePath(text: string): string | Wrong {
  return text === '' || text.includes('\0') ? new Wrong('this is no path') : text
}

export const OPTIONS = {
  listen: {
    arg: 'ADDRESS',
    help: 'where clients reach the control server (several: separated by commas); with --tls acme, unless said: the port of --url',
    want: 'HOST:PORT or :PORT for all interfaces, such as 0.0.0.0:8080 or [::1]:8080',
    fallback: ':8080',
    parse: list(parseListen, 16),
  },
  url: {
    arg: 'URL',
    help: 'the address that clients use, if it is another one (behind a proxy, for instance)',
    want: 'http://HOST[:PORT] or https://HOST[:PORT]',
    absent: "from --listen and this machine's first address",
    parse: parseUrl,
  },
  data: {
    arg: 'FOLDER',
    help: 'keys, database and admin socket',
    want: 'a folder; it is created if there is none',
    absent: '/var/lib/sett for root, else sett in $XDG_DATA_HOME or ~/.local/share',
    parse: parsePath,
  },
  database: {
    arg: 'URL',
    help: 'where to keep everything else',
    want: 'sqlite:FILE or postgres://USER:PASSWORD@HOST/NAME',
    absent: 'sqlite: and sett.db in the data folder',
    secret: true,
    parse: parseDatabase,
  },
  tls: {
    arg: 'CERT,KEY',
    help: 'serve TLS with this certificate that clients trust; "acme": with one that the server obtains itself; "off"',
    want: '"off", "acme", or two PEM files: the certificate with its chain and the private key, separated by a comma',
    fallback: 'off',
    parse: parseTls,
  },
  'http-listen': {
    arg: 'ADDRESS',
    help: 'where to answer in clear text beside TLS: proofs for --tls acme, and the way to --url; "off" for nowhere',
    want: 'HOST:PORT or :PORT for all interfaces, such as :80, or "off"',
    absent: ':80 with --tls acme, else off',
    parse: (text: string) => (text.toLowerCase() === 'off' ? [] : list(parseListen, 16)(text)),
  },
  'acme-directory': {
    arg: 'URL',
    help: 'the authority that --tls acme asks for certificates; its terms are agreed to by asking',
    want: 'the https address of its ACME directory',
    fallback: 'https://acme-v02.api.letsencrypt.org/directory',
    parse: parseDirectory,
  },
  'acme-email': {
    arg: 'ADDRESS',
    help: 'where that authority may write to',
    want: 'one e-mail address',
    absent: 'none',
    parse: parseEmail,
  },
  'acme-eab': {
    arg: 'KEYID:KEY',
    help: 'as whose customer to ask, if that authority wants to know (external account binding)',
    want: 'KEYID:KEY, the key in base64url, as the authority hands them out',
    absent: 'none',
    secret: true,
    parse: parseExternalAccount,
  },
  'trusted-proxy': {
    arg: 'CIDR',
    help: 'proxies whose forwarded addresses are believed (several: separated by commas)',
    want: 'addresses or prefixes such as 127.0.0.1 or 10.0.0.0/8, or "loopback"',
    absent: 'none',
    parse: list(parseProxy, 64),
  },
  'private-targets': {
    arg: 'CIDR',
    help: 'private addresses that webhooks and log streams may be sent to (several: separated by commas)',
    want: 'addresses or prefixes such as 10.0.5.0/24, or "loopback"',
    absent: 'none',
    parse: list(parseProxy, 64),
  },
  'relay-listen': {
    arg: 'ADDRESS',
    help: 'where clients reach the relay, always over TLS',
    want: 'HOST:PORT or :PORT for all interfaces, such as :8443',
    fallback: ':8443',
    parse: parseListen,
  },
  'stun-listen': {
    arg: 'ADDRESSES',
    help: 'two UDP addresses for STUN, so that clients can tell what their NAT does; "off" for none',
    want: 'one or two of HOST:PORT, separated by a comma, such as :3478,:3479, or "off"',
    fallback: ':3478,:3479',
    parse: (text: string) => (text.toLowerCase() === 'off' ? [] : list(parseListen, 2)(text)),
  },
  'tailnet-domain': {
    arg: 'DOMAIN',
    help: 'the DNS domain under which tailnets get theirs',
    want: 'a DNS name such as sett.internal',
    fallback: 'sett.internal',
    parse: parseDomain,
  },
  'audit-days': {
    arg: 'DAYS',
    help: 'how long audit logs keep who changed what, in days',
    want: 'a number of days from 1 to 3650',
    fallback: '90',
    parse: parseDays,
  },
  'log-level': {
    arg: 'LEVEL',
    help: `how much to log: ${LOG_LEVELS.join(', ')}`,
    want: `one of ${LOG_LEVELS.join(', ')}`,
    fallback: 'info',
    parse: oneOf(LOG_LEVELS),
  },
  'log-format': {
    arg: 'FORMAT',
    help: 'how to log: text for people, json for programs',
    want: `one of ${LOG_FORMATS.join(', ')}`,
    fallback: 'text',
    parse: oneOf(LOG_FORMATS),
  },
} as const satisfies { readonly [name in OptionName]: Option<unknown> }

export const OPTION_NAMES = Object.keys(OPTIONS) as readonly OptionName[]

/** `listen` is `SETT_LISTEN` in the environment. */
export function variableOf(name: OptionName | 'config'): string {
  return `SETT_${name.toUpperCase().replaceAll('-', '_')}`
}

/** What the help says of an option: its default as well. */
export function helpOf(name: OptionName): string {
  const { help, fallback, absent }: Option<unknown> = OPTIONS[name]
  return `${help} (default: ${fallback ?? absent})`
}
