import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import type { Wall } from '../../../base/clock.ts'
import { readSamlRequest, respondWith, SamlSigner } from '../../../../test/support/identity/saml.ts'
import type { Assertion, SamlRequest } from '../../../../test/support/identity/saml.ts'
import type { SamlSettings } from '../../model/records.ts'
import type { Journey, Proved } from '../../people/identity-providers.ts'
import { beginSaml, finishSaml } from './saml.ts'

const ENTITY = 'https://idp.example/saml'
const ACS = 'https://sett.example/auth/saml'
const signer = new SamlSigner()
const stranger = new SamlSigner()
const settings: SamlSettings = {
  kind: 'saml',
  entityId: ENTITY,
  ssoUrl: 'https://idp.example/sso?tenant=1',
  // The one before it is still among them while the provider changes over.
  certificates: [stranger.certificate, signer.certificate],
  emailAttribute: 'email',
  groupsAttribute: 'groups',
}
const only: SamlSettings = { ...settings, certificates: [signer.certificate] }

function journey(again = false): Journey {
  const token = () => randomBytes(32).toString('base64url')
  return {
    state: token(),
    nonce: token(),
    verifier: token(),
    redirectUri: 'https://sett.example/auth/callback',
    again,
    begun: Date.now() as Wall,
  }
}

async function begin(on: Journey): Promise<SamlRequest & { readonly relayState: string }> {
  return readSamlRequest(await beginSaml(only, ACS, on))
}
async function finish(on: Journey, answer: string): Promise<Proved> {
  return await finishSaml(only, ACS, on, new URLSearchParams({ SAMLResponse: answer, state: on.state }))
}

test('a request says who asks, where the answer goes, and is asked for anew where that is wanted', async () => {
  const on = journey()
  const address = await beginSaml(only, ACS, on)
  const request = readSamlRequest(address)
  assert.equal(new URL(address).searchParams.get('tenant'), '1')
  assert.deepEqual(
    { acsUrl: request.acsUrl, issuer: request.issuer, relayState: request.relayState },
    { acsUrl: ACS, issuer: ACS, relayState: on.state },
  )
  assert.match(request.xml, /nameid-format:persistent/)
  assert.doesNotMatch(request.xml, /ForceAuthn/)
  assert.match((await begin(journey(true))).xml, /ForceAuthn="true"/)
})

test('a signed assertion proves who somebody is', async () => {
  const on = journey()
  const said: Assertion = {
    nameId: 'u-17',
    attributes: { email: ['ada@x.org'], groups: ['ops', 'R&D'], displayName: ['Ada L.'], __proto__: ['x'] },
  }
  const proved = await finish(on, respondWith(await begin(on), signer.assertion(ENTITY, await begin(on), said)))
  assert.deepEqual(proved, {
    kind: 'proved',
    claims: {
      issuer: ENTITY,
      subject: 'u-17',
      email: 'ada@x.org',
      displayName: 'Ada L.',
      groups: ['ops', 'R&D'],
    },
  })
})

/** Each would let somebody in who is not who they say, were it accepted. */
const wrong: readonly {
  readonly name: string
  readonly says: RegExp
  readonly said?: Assertion
  readonly again?: true
  /** What is posted, given a good assertion. */
  readonly forge?: (request: SamlRequest, good: string) => string
}[] = [
  { name: 'of another provider', said: { issuer: 'https://evil.example' }, says: /not of https:\/\/idp/ },
  { name: 'for another server', said: { audience: 'https://other.example' }, says: /audience/i },
  { name: 'sent to another server first', said: { recipient: 'https://other.example/acs' }, says: /not confirm/ },
  { name: 'that answers another login', said: { inResponseTo: '_other', responseTo: '_other' }, says: /InResponseTo/ },
  { name: 'of another login, in a response to this one', said: { inResponseTo: '_other' }, says: /InResponseTo/ },
  { name: 'that nobody asked for', said: { responseTo: '' }, says: /InResponseTo/ },
  { name: 'that is over', said: { notOnOrAfter: -120_000 }, says: /expired|No valid subject/ },
  { name: 'that needs another key', said: { method: 'urn:oasis:names:tc:SAML:2.0:cm:holder-of-key' }, says: /confirm/ },
  {
    name: 'with a name made up for this login',
    said: { format: 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient' },
    says: /persistent/,
  },
  {
    name: 'with an address for a name',
    said: { format: 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress' },
    says: /persistent/,
  },
  { name: 'from an earlier login', said: { authnInstant: -3_600_000 }, again: true, says: /AuthnInstant/ },
  {
    name: 'signed with SHA-1',
    said: {
      algorithms: {
        signature: 'http://www.w3.org/2000/09/xmldsig#rsa-sha1',
        digest: 'http://www.w3.org/2000/09/xmldsig#sha1',
      },
    },
    says: /algorithm .*sha1/,
  },
  {
    name: 'signed by a stranger',
    forge: (request) => respondWith(request, stranger.assertion(ENTITY, request, { nameId: 'boss' })),
    says: /Invalid signature/,
  },
  {
    name: 'that is not signed',
    forge: (request, good) => respondWith(request, good.replace(/<Signature.*<\/Signature>/s, '')),
    says: /Invalid signature/,
  },
  {
    name: 'changed after it was signed',
    forge: (request, good) => respondWith(request, good.replace('>nobody<', '>boss<')),
    says: /Invalid signature/,
  },
  {
    name: 'beside another one that is not signed',
    forge: (request, good) => respondWith(request, `${unsigned(good, 'boss')}${good}`),
    says: /multiple assertions/,
  },
  {
    name: 'that is not signed, around a signed one',
    forge: (request, good) =>
      respondWith(request, unsigned(good, 'boss').replace('</saml:Assertion>', `${good}</saml:Assertion>`)),
    says: /Invalid signature/,
  },
  {
    name: 'that carries another’s signature',
    forge: (request, good) => {
      const signature = /<Signature.*<\/Signature>/s.exec(good)?.[0] ?? ''
      const object = signature.replace('</Signature>', `<Object>${good.replace(signature, '')}</Object></Signature>`)
      return respondWith(request, unsigned(good, 'boss').replace('</saml:Issuer>', `</saml:Issuer>${object}`))
    },
    says: /Invalid signature|algorithm/,
  },
  {
    name: 'with a comment in the name',
    forge: (request, good) => respondWith(request, good.replace('>nobody<', '>no<!-- -->body<')),
    says: /comments/,
  },
  {
    name: 'with entities',
    forge: (request, good) =>
      encoded(`<!DOCTYPE x [<!ENTITY a "aaaa">]>${Buffer.from(respondWith(request, good), 'base64').toString()}`),
    says: /declarations/,
  },
  { name: 'that is missing', forge: (request) => respondWith(request, ''), says: /Missing SAML assertion/ },
  { name: 'that is no XML', forge: () => encoded('<a'), says: /malformed/ },
  { name: 'that is too long', forge: () => 'A'.repeat(300_000), says: /300000 characters/ },
  { name: 'that is never closed', forge: () => encoded('<a>'.repeat(40_000)), says: /too deep/ },
  { name: 'nested without end', forge: () => encoded('<a>'.repeat(9_000) + '</a>'.repeat(9_000)), says: /too deep/ },
  {
    name: 'of elements without number',
    forge: () => encoded(`<a>${'<b/>'.repeat(9_000)}</a>`),
    says: /too many elements/,
  },
  { name: 'closed out of order', forge: () => encoded('<a><b></a></b>'), says: /malformed/ },
  { name: 'with processing instructions', forge: () => encoded('<a><?x y?></a>'), says: /malformed/ },
  { name: 'with an entity that nobody declared', forge: () => encoded('<a>&x;</a>'), says: /entities/ },
]

function encoded(xml: string): string {
  return Buffer.from(xml).toString('base64')
}

function unsigned(good: string, who: string): string {
  return good
    .replace(/<Signature.*<\/Signature>/s, '')
    .replace('>nobody<', `>${who}<`)
    .replace(/ID="[^"]+"/, 'ID="_evil"')
}

test('an assertion that is not for this login, or not of this provider, proves nothing', async () => {
  for (const { name, said = {}, again, forge, says } of wrong) {
    const on = journey(again)
    const request = await begin(on)
    const good = signer.assertion(ENTITY, request, said)
    const proved = await finish(on, forge?.(request, good) ?? respondWith(request, good, said.responseTo))
    assert.equal(proved.kind, 'refused', `an assertion ${name}: ${JSON.stringify(proved)}`)
    if (proved.kind === 'refused') assert.match(proved.fault, says, `an assertion ${name}`)
  }
})

test('a provider that changes its key has both for a while', async () => {
  const on = journey()
  const request = await begin(on)
  const answer = respondWith(request, signer.assertion(ENTITY, request, { nameId: 'u-17' }))
  const proved = await finishSaml(settings, ACS, on, new URLSearchParams({ SAMLResponse: answer }))
  assert.equal(proved.kind, 'proved', JSON.stringify(proved))
})
