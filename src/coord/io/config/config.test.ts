import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MeshError } from '../../../base/errors.ts'
import { challengesOf } from './acme.ts'
import { defaultData, deriveUrl, resolveConfig } from './config.ts'
import type { Sources, Texts } from './config.ts'
import { helpOf, OPTION_NAMES, OPTIONS, variableOf } from './options.ts'
import type { Config, Option, OptionName } from './options.ts'

const host = { root: false, home: '/home/anna' }

function resolve(sources: Partial<Sources>): Config {
  return resolveConfig({ flags: {}, env: {}, ...sources }, host)
}

function complaint(sources: Partial<Sources>): string {
  try {
    resolve(sources)
  } catch (error) {
    assert.ok(error instanceof MeshError && error.code === 'config/invalid', String(error))
    return error.message
  }
  assert.fail('nobody complained')
}

test('without a word, everything has its default', () => {
  const { database, ...rest } = resolve({})
  assert.equal(database.reveal(), 'sqlite:/home/anna/.local/share/sett/sett.db')
  assert.deepEqual(rest, {
    listen: [{ host: '', port: 8080 }],
    url: undefined,
    data: '/home/anna/.local/share/sett',
    tls: 'off',
    acmeDirectory: 'https://acme-v02.api.letsencrypt.org/directory',
    acmeEmail: undefined,
    acmeEab: undefined,
    httpListen: [],
    trustedProxy: [],
    privateTargets: [],
    relayListen: { host: '', port: 8443 },
    stunListen: [
      { host: '', port: 3478 },
      { host: '', port: 3479 },
    ],
    tailnetDomain: 'sett.internal',
    auditDays: 90,
    logLevel: 'info',
    logFormat: 'text',
  })
})

const folders = [
  { name: 'root', root: true, env: {}, want: '/var/lib/sett' },
  { name: 'a user', root: false, env: {}, want: '/home/anna/.local/share/sett' },
  { name: 'a user with XDG_DATA_HOME', root: false, env: { XDG_DATA_HOME: '/d' }, want: '/d/sett' },
  { name: 'a relative XDG_DATA_HOME', root: false, env: { XDG_DATA_HOME: 'd' }, want: '/home/anna/.local/share/sett' },
] as const
for (const { name, root, env, want } of folders) {
  test(`the data folder of ${name} is ${want}`, () => assert.equal(defaultData({ root, home: host.home }, env), want))
}

describe('a flag counts before a variable, a variable before the file, the file before the default', () => {
  const flags: Texts = { 'log-level': 'trace' }
  const env = { SETT_LOG_LEVEL: 'debug' }
  const file = { name: 'f', text: 'log-level = warn' }
  const rows = [
    { sources: { flags, env, file }, want: 'trace' },
    { sources: { env, file }, want: 'debug' },
    { sources: { env: { SETT_LOG_LEVEL: '' }, file }, want: 'warn' },
    { sources: { file }, want: 'warn' },
    { sources: {}, want: 'info' },
  ]
  for (const { sources, want } of rows) {
    test(`${Object.keys(sources).join(', ') || 'nothing'}: ${want}`, () =>
      assert.equal(resolve(sources).logLevel, want))
  }
})

const accepted: readonly (readonly [OptionName, string, unknown])[] = [
  ['listen', ':8080', [{ host: '', port: 8080 }]],
  [
    'listen',
    '127.0.0.1:80, [::1]:81',
    [
      { host: '127.0.0.1', port: 80 },
      { host: '::1', port: 81 },
    ],
  ],
  ['listen', 'sett.example:0', [{ host: 'sett.example', port: 0 }]],
  ['url', 'https://sett.example/', 'https://sett.example'],
  ['url', 'http://[2001:db8::1]:8080', 'http://[2001:db8::1]:8080'],
  ['tls', 'OFF', 'off'],
  ['http-listen', 'OFF', []],
  ['tls', 'a.pem,b.pem', { cert: 'a.pem', key: 'b.pem' }],
  ['trusted-proxy', 'loopback,10.0.0.0/8,fd00::/8,192.0.2.1', ['loopback', '10.0.0.0/8', 'fd00::/8', '192.0.2.1']],
  ['relay-listen', '192.0.2.1:443', { host: '192.0.2.1', port: 443 }],
  ['stun-listen', 'off', []],
  ['stun-listen', ':3478', [{ host: '', port: 3478 }]],
  ['tailnet-domain', 'Example.COM.', 'example.com'],
  ['audit-days', '365', 365],
  ['log-level', 'DEBUG', 'debug'],
  ['log-format', 'json', 'json'],
]
const member: { readonly [name in OptionName]: keyof Config } = {
  listen: 'listen',
  url: 'url',
  data: 'data',
  database: 'database',
  tls: 'tls',
  'http-listen': 'httpListen',
  'acme-directory': 'acmeDirectory',
  'acme-email': 'acmeEmail',
  'acme-eab': 'acmeEab',
  'trusted-proxy': 'trustedProxy',
  'private-targets': 'privateTargets',
  'relay-listen': 'relayListen',
  'stun-listen': 'stunListen',
  'tailnet-domain': 'tailnetDomain',
  'audit-days': 'auditDays',
  'log-level': 'logLevel',
  'log-format': 'logFormat',
}
for (const [name, text, want] of accepted) {
  test(`--${name} ${text}`, () => assert.deepEqual(resolve({ flags: { [name]: text } })[member[name]], want))
}

const refused: readonly (readonly [OptionName, string, RegExp])[] = [
  ['listen', '', /port is missing; want HOST:PORT/],
  ['listen', '127.0.0.1', /port is missing/],
  ['listen', '::1', /port is missing/],
  ['listen', '::1:8080', /no address with a port|port is missing/],
  ['listen', ':99999', /no port 99999/],
  ['listen', '[127.0.0.1]:80', /no IPv6 address/],
  ['listen', '300.1.1.1:80', /no address and no name/],
  ['listen', ':1,,:2', /port is missing/],
  ['relay-listen', 'off', /port is missing/],
  ['url', 'sett.example', /no URL/],
  ['url', 'ftp://sett.example', /can't use ftp/],
  ['url', 'https://sett.example/path', /more than a host and port/],
  ['url', 'https://anna@sett.example', /no place/],
  ['data', '', /no path/],
  ['database', 'mysql://anna:hunter2@db/x', /engine is not known; want sqlite:FILE or postgres/],
  ['database', 'sqlite:', /the file is missing; want sqlite:FILE or postgres/],
  ['database', 'sqlite:// ', /the file is missing/],
  ['tls', 'cert.pem', /key file is missing/],
  ['tls', 'a,b,c', /more than two/],
  ['http-listen', '80', /port is missing; want HOST:PORT or :PORT/],
  ['acme-directory', 'ca.example', /no URL/],
  ['acme-directory', 'http://ca.example/directory', /over TLS only; want the https address/],
  ['acme-directory', 'https://anna:hunter2@ca.example/', /no place/],
  ['acme-email', 'anna', /no e-mail address/],
  ['acme-email', 'anna@example.com,bob@example.com', /no e-mail address; want one/],
  ['acme-email', 'anna@example.com?x', /no e-mail address/],
  ['acme-eab', 'kid', /no key id and key; want KEYID:KEY/],
  ['acme-eab', 'kid:short', /no key id and key/],
  ['acme-eab', `kid:${'a'.repeat(17)}`, /no key id and key/],
  ['trusted-proxy', 'proxy.example', /"proxy.example" is no address/],
  ['trusted-proxy', '10.0.0.0/33', /prefix length/],
  ['trusted-proxy', '10.0.0.0/8/8', /no prefix/],
  ['stun-listen', ':1,:2,:3', /there are 3/],
  ['tailnet-domain', 'a..b', /no DNS name/],
  ['tailnet-domain', '10.0.0.1', /no DNS name/],
  ['log-level', 'loud', /no such choice; want one of trace, debug, info, warn, error/],
  ['log-format', 'xml', /want one of text, json/],
]
for (const [name, text, why] of refused) {
  test(`--${name} "${text}" is refused, and it says which, why, and what is accepted`, () => {
    const flag = complaint({ flags: { [name]: text } })
    assert.match(flag, why)
    assert.ok(flag.includes(`--${name}`) && flag.includes('want '), flag)
    if (text !== '') assert.ok(complaint({ env: { [variableOf(name)]: text } }).includes(variableOf(name)))
    assert.ok(complaint({ file: { name: 'my.conf', text: `${name} = ${text}` } }).includes(`${name} in my.conf`))
  })
}

test('two options that ask for the same port are refused, and both are named with where they were said', () => {
  const rows: readonly (readonly [Partial<Sources>, RegExp])[] = [
    [
      { flags: { listen: ':8080', 'relay-listen': ':8080' } },
      /^Cannot use --listen ":8080" together with --relay-listen ":8080": both ask for TCP port 8080; give one of them another port$/,
    ],
    [
      { env: { SETT_RELAY_LISTEN: '127.0.0.1:8080' } },
      /--listen ":8080" \(its default\) together with SETT_RELAY_LISTEN "127\.0\.0\.1:8080"/,
    ],
    [
      { flags: { listen: '127.0.0.1:8443' }, file: { name: 'f', text: 'relay-listen = 0.0.0.0:8443' } },
      /--listen "127\.0\.0\.1:8443" together with relay-listen in f "0\.0\.0\.0:8443"/,
    ],
    [{ flags: { listen: ':8443' } }, /--listen ":8443" together with --relay-listen ":8443" \(its default\)/],
    [
      { flags: { listen: '[::]:1,127.0.0.1:1' } },
      /--listen "\[::\]:1,127\.0\.0\.1:1": it asks for TCP port 1 twice; want /,
    ],
    [
      { flags: { 'stun-listen': ':3478,:3478' } },
      /--stun-listen ":3478,:3478": it asks for UDP port 3478 twice; want /,
    ],
  ]
  for (const [sources, says] of rows) assert.match(complaint(sources), says)
})

test('the same number is no clash where it is not the same port', () => {
  const rows: readonly Texts[] = [
    { listen: '127.0.0.1:8080', 'relay-listen': '127.0.0.2:8080' },
    { listen: '0.0.0.0:8080', 'relay-listen': '[::1]:8080' },
    { listen: '0.0.0.0:8080', 'relay-listen': 'sett.example:8080' },
    { listen: ':3478', 'relay-listen': ':8443', 'stun-listen': ':3478,:8443' },
    { listen: ':0,:0', 'relay-listen': ':0', 'stun-listen': ':0,:0' },
  ]
  for (const flags of rows) assert.doesNotThrow(() => resolve({ flags }), JSON.stringify(flags))
})

test('the help of every option says its default, and a text that is one is accepted', () => {
  for (const name of OPTION_NAMES) {
    const { fallback, absent, parse }: Option<unknown> = OPTIONS[name]
    assert.equal([fallback, absent].filter((text) => text !== undefined).length, 1, name)
    assert.ok(helpOf(name).endsWith(` (default: ${fallback ?? absent})`), helpOf(name))
    if (fallback !== undefined) assert.deepEqual(parse(fallback), resolve({})[member[name]], name)
  }
})

describe('with --tls acme', () => {
  const acme = { tls: 'acme', url: 'https://sett.example.com' }

  test('it listens where clients connect and authorities knock, and what was said counts', () => {
    const all = (port: number) => [{ host: '', port }]
    const rows: readonly (readonly [Texts, Partial<Config>, readonly string[]])[] = [
      [acme, { listen: all(443), httpListen: all(80) }, ['http-01', 'tls-alpn-01']],
      [{ ...acme, url: 'https://sett.example.com:9443' }, { listen: all(9443), httpListen: all(80) }, ['http-01']],
      [{ ...acme, listen: ':8080', 'http-listen': 'OFF' }, { listen: all(8080), httpListen: [] }, ['tls-alpn-01']],
      [{ ...acme, 'http-listen': ':8081' }, { listen: all(443), httpListen: all(8081) }, ['http-01', 'tls-alpn-01']],
      [
        { ...acme, 'acme-directory': 'https://ca.example/dir', 'acme-email': 'anna@example.com' },
        { acmeDirectory: 'https://ca.example/dir', acmeEmail: 'anna@example.com', tls: 'acme' },
        ['http-01', 'tls-alpn-01'],
      ],
    ]
    for (const [flags, want, challenges] of rows) {
      const config = resolve({ flags })
      for (const [name, value] of Object.entries(want)) assert.deepEqual(config[name as keyof Config], value, name)
      assert.deepEqual(challengesOf(config), challenges)
    }
  })

  test('the key of a customer is kept, and not repeated', () => {
    const key = 'zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W'
    const { acmeEab } = resolve({ flags: { ...acme, 'acme-eab': `kid-1:${key}` } })
    assert.equal(acmeEab?.key.reveal(), key)
    assert.ok(!JSON.stringify(acmeEab).includes(key))
    assert.ok(!complaint({ flags: { 'acme-eab': `kid-1:${key}!` } }).includes(key))
  })

  test('what cannot end with a certificate is refused at the start', () => {
    const rows: readonly (readonly [Texts, RegExp])[] = [
      [{ tls: 'acme' }, /--tls "acme": nothing says which name .*want --url https:\/\/NAME/],
      [{ ...acme, url: 'http://sett.example.com' }, /no use for a certificate; want https/],
      [{ ...acme, url: 'https://192.0.2.7' }, /this is an address; want a DNS name/],
      [{ ...acme, url: 'https://[2001:db8::7]' }, /this is an address/],
      [{ ...acme, url: 'https://*.example.com' }, /not one DNS name/],
      [{ ...acme, url: 'https://sett_1.example.com' }, /not one DNS name/],
      [
        { ...acme, url: 'https://sett.example.com:8443', 'relay-listen': ':1', 'http-listen': 'off' },
        /--url "https:\/\/sett\.example\.com:8443" and --http-listen "off": .*port 80 or 443 of the name and nowhere else/,
      ],
      [{ ...acme, listen: ':80' }, /--listen ":80" together with --http-listen ":80 with --tls acme/],
      [{ 'http-listen': ':80' }, /--http-listen: without --tls, --listen answers in clear text already/],
      [
        { tls: 'a,b', 'acme-email': 'anna@example.com' },
        /--acme-email: nothing asks for a certificate; want --tls acme/,
      ],
      [{ 'acme-directory': 'https://ca.example/' }, /--acme-directory: nothing asks/],
    ]
    for (const [flags, why] of rows) assert.match(complaint({ flags }), why)
    assert.match(
      complaint({ env: { SETT_TLS: 'acme' }, file: { name: 'f', text: 'url = https://1.2.3.4' } }),
      /SETT_TLS "acme" with url in f "https:\/\/1\.2\.3\.4"/,
    )
  })
})

test('a password in a database URL is not repeated', () => {
  assert.doesNotMatch(complaint({ flags: { database: 'mysql://anna:hunter2@db/x' } }), /hunter2/)
  assert.equal(
    JSON.stringify(resolve({ flags: { database: 'postgres://anna:hunter2@db/x' } }).database),
    '"[database]"',
  )
})

const files: readonly (readonly [string, RegExp])[] = [
  ['# comment\n\nlisten :80', /f, line 3: want "option = value"/],
  ['listn = :80', /line 1: there is no option "listn"; there are listen, url/],
  ['listen = :80\nlisten = :81', /line 2: listen is said twice/],
  ['__proto__ = x', /no option "__proto__"/],
]
for (const [text, want] of files) {
  test(`a file with ${JSON.stringify(text)} is refused by line`, () =>
    assert.match(complaint({ file: { name: 'f', text } }), want))
}

test('a file may say everything, with spaces, comments and Windows line ends', () => {
  const text = '# Sett\r\n  listen=:1 \r\ndatabase = postgres://a:b=c@h/d\r\n'
  const config = resolve({ file: { name: 'f', text } })
  assert.deepEqual(config.listen, [{ host: '', port: 1 }])
  assert.equal(config.database.reveal(), 'postgres://a:b=c@h/d')
})

test('every option has a variable of its own', () => {
  assert.equal(new Set(OPTION_NAMES.map((name) => variableOf(name))).size, OPTION_NAMES.length)
  assert.equal(variableOf('trusted-proxy'), 'SETT_TRUSTED_PROXY')
})

const urls = [
  { listen: '', tls: 'off' as const, address: '192.0.2.7', want: 'http://192.0.2.7:8080' },
  { listen: '0.0.0.0', tls: 'off' as const, address: undefined, want: 'http://127.0.0.1:8080' },
  { listen: '::1', tls: 'off' as const, address: '192.0.2.7', want: 'http://[::1]:8080' },
  { listen: 'sett.example', tls: { cert: 'a', key: 'b' }, address: '192.0.2.7', want: 'https://sett.example:8080' },
]
for (const { listen, tls, address, want } of urls) {
  test(`listening on "${listen}", clients are told ${want}`, () =>
    assert.equal(deriveUrl({ listen: [{ host: listen, port: 8080 }], tls }, 8080, address), want))
}
