import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OidcSettings } from '../../model/records.ts'
import { readClaims } from './oidc-claims.ts'
import type { Said } from './oidc-claims.ts'

const ISSUER = 'https://id.example.com'
const GOOGLE = 'https://accounts.google.com'
const ENTRA = 'https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0'
const settings: OidcSettings = {
  kind: 'oidc',
  issuer: ISSUER,
  clientId: 'sett',
  scopes: ['openid'],
  groupsClaim: 'groups',
  trustEmail: false,
}
const trusting: OidcSettings = { ...settings, trustEmail: true }

const addresses: readonly {
  readonly name: string
  readonly token: Said
  readonly more?: Said
  readonly by?: OidcSettings
  readonly want: string | undefined
}[] = [
  { name: 'verified', token: { email: 'a@x.org', email_verified: true }, want: 'a@x.org' },
  { name: 'verified, as a text', token: { email: 'a@x.org', email_verified: 'true' }, want: 'a@x.org' },
  { name: 'not verified', token: { email: 'a@x.org', email_verified: false }, want: undefined },
  { name: 'of which nothing is said', token: { email: 'a@x.org' }, want: undefined },
  { name: 'of a trusted provider', token: { email: 'a@x.org' }, by: trusting, want: 'a@x.org' },
  { name: 'that is none', token: { email: 'a@x@y', email_verified: true }, want: undefined },
  { name: 'with a line break', token: { email: 'a@x.org\nb', email_verified: true }, want: undefined },
  { name: 'that is a list', token: { email: ['a@x.org'], email_verified: true }, by: trusting, want: undefined },
  { name: 'told apart', token: {}, more: { email: 'a@x.org', email_verified: true }, want: 'a@x.org' },
  {
    name: 'verified only where it is told apart',
    token: { email: 'a@x.org' },
    more: { email: 'a@x.org', email_verified: true },
    want: 'a@x.org',
  },
  {
    name: 'when another one is verified',
    token: { email: 'boss@x.org' },
    more: { email: 'a@x.org', email_verified: true },
    want: undefined,
  },
  { name: 'of Entra ID, domain verified', token: { iss: ENTRA, email: 'a@x.org', xms_edov: true }, want: 'a@x.org' },
  { name: 'of Entra ID, as a number', token: { iss: ENTRA, email: 'a@x.org', xms_edov: 1 }, want: 'a@x.org' },
  { name: 'of Entra ID, not verified', token: { iss: ENTRA, email: 'a@x.org', xms_edov: false }, want: undefined },
  { name: 'of Gmail', token: { iss: GOOGLE, email: 'a@gmail.com', email_verified: true }, want: 'a@gmail.com' },
  {
    name: 'of a company, by an account that Google manages',
    token: { iss: GOOGLE, email: 'a@x.org', email_verified: true, hd: 'x.org' },
    want: 'a@x.org',
  },
  {
    name: 'of a company, by an account that somebody may have kept',
    token: { iss: GOOGLE, email: 'a@x.org', email_verified: true },
    want: undefined,
  },
]

test('an address counts where somebody vouches for it', () => {
  for (const { name, token, more = {}, by = settings, want } of addresses)
    assert.equal(readClaims(by, { iss: ISSUER, sub: '7', ...token }, more).email, want, `an address ${name}`)
})

test('groups are read as providers write them', () => {
  const rows: readonly [string, OidcSettings, Said, readonly string[]][] = [
    ['a list', settings, { groups: ['a', 'b'] }, ['a', 'b']],
    ['one text', settings, { groups: 'a' }, ['a']],
    [
      'another claim',
      { ...settings, groupsClaim: 'https://x/roles' },
      { 'https://x/roles': ['r'], groups: ['a'] },
      ['r'],
    ],
    ['Keycloak’s paths', settings, { groups: ['/staff/ops'] }, ['/staff/ops']],
    ['things that are none', settings, { groups: ['a', 7, null, {}, '', 'x'.repeat(300)] }, ['a']],
    ['a number', settings, { groups: 7 }, []],
    ['none, as Entra ID says of too many', settings, { _claim_names: { groups: 'src1' } }, []],
  ]
  for (const [name, by, said, want] of rows)
    assert.deepEqual(readClaims(by, { iss: ISSUER, sub: '7' }, said).groups, want, name)
})

test('what somebody is comes from the ID token; the rest fills in what it leaves out', () => {
  const claims = readClaims(
    settings,
    { iss: ISSUER, sub: '7', name: 'Ada' },
    { sub: '8', iss: 'https://evil.example', name: 'Eve', preferred_username: 'ada', picture: 'http://x/p.png' },
  )
  assert.deepEqual(claims, { issuer: ISSUER, subject: '7', displayName: 'Ada', handle: 'ada', groups: [] })
})
