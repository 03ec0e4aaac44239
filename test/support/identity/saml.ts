/** A SAML 2.0 identity provider for tests: signs what it says of somebody, or what a test has it say wrongly. */

import { generateKeyPairSync } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { inflateRawSync } from 'node:zlib'
import { SignedXml } from 'xml-crypto'
import { askWho, formOf, sendHtml, stand } from './form.ts'
import type { Standing } from './form.ts'

export interface SamlRequest {
  readonly id: string
  readonly acsUrl: string
  readonly issuer: string
  readonly xml: string
}

/** Of one assertion; what a test leaves out is as it should be. */
export interface Assertion {
  readonly nameId?: string
  readonly format?: string
  readonly attributes?: Readonly<Record<string, readonly string[]>>
  readonly issuer?: string
  readonly audience?: string
  readonly recipient?: string
  readonly inResponseTo?: string
  /** Of the response around it, which is not signed. */
  readonly responseTo?: string
  /** Milliseconds from now. */
  readonly notOnOrAfter?: number
  readonly authnInstant?: number
  readonly method?: string
  readonly algorithms?: { readonly signature: string; readonly digest: string }
}

const PERSISTENT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent'
const SHA256 = {
  signature: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
  digest: 'http://www.w3.org/2001/04/xmlenc#sha256',
}

export class SamlSigner {
  readonly #key: string
  readonly certificate: string
  #made = 0

  constructor() {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    this.#key = privateKey.export({ format: 'pem', type: 'pkcs8' })
    this.certificate = publicKey.export({ format: 'pem', type: 'spki' })
  }

  /** One assertion with its signature in it. */
  assertion(entityId: string, request: SamlRequest, said: Assertion = {}): string {
    const at = (ms: number): string => new Date(Date.now() + ms).toISOString()
    const id = `_a${(this.#made += 1)}`
    const ends = at(said.notOnOrAfter ?? 300_000)
    const attributes = Object.entries(said.attributes ?? {}).map(
      ([name, values]) =>
        `<saml:Attribute Name="${name}">${values.map((value) => `<saml:AttributeValue>${escape(value)}</saml:AttributeValue>`).join('')}</saml:Attribute>`,
    )
    const xml =
      `<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="${id}" Version="2.0" IssueInstant="${at(0)}">` +
      `<saml:Issuer>${said.issuer ?? entityId}</saml:Issuer>` +
      `<saml:Subject><saml:NameID Format="${said.format ?? PERSISTENT}">${said.nameId ?? 'nobody'}</saml:NameID>` +
      `<saml:SubjectConfirmation Method="${said.method ?? 'urn:oasis:names:tc:SAML:2.0:cm:bearer'}">` +
      `<saml:SubjectConfirmationData InResponseTo="${said.inResponseTo ?? request.id}" NotOnOrAfter="${ends}" Recipient="${said.recipient ?? request.acsUrl}"/>` +
      `</saml:SubjectConfirmation></saml:Subject>` +
      `<saml:Conditions NotBefore="${at(-300_000)}" NotOnOrAfter="${ends}"><saml:AudienceRestriction><saml:Audience>${said.audience ?? request.issuer}</saml:Audience></saml:AudienceRestriction></saml:Conditions>` +
      `<saml:AuthnStatement AuthnInstant="${at(said.authnInstant ?? 0)}"/>` +
      (attributes.length === 0 ? '' : `<saml:AttributeStatement>${attributes.join('')}</saml:AttributeStatement>`) +
      `</saml:Assertion>`
    const { signature, digest } = said.algorithms ?? SHA256
    const signed = new SignedXml({
      privateKey: this.#key,
      signatureAlgorithm: signature,
      canonicalizationAlgorithm: 'http://www.w3.org/2001/10/xml-exc-c14n#',
    })
    signed.addReference({
      xpath: `//*[@ID="${id}"]`,
      digestAlgorithm: digest,
      transforms: ['http://www.w3.org/2000/09/xmldsig#enveloped-signature', 'http://www.w3.org/2001/10/xml-exc-c14n#'],
    })
    signed.computeSignature(xml, {
      location: { reference: `//*[local-name()='Issuer']`, action: 'after' },
    })
    return signed.getSignedXml()
  }
}

/** The response around assertions, in base64 as it is posted. */
export function respondWith(request: SamlRequest, assertions: string, responseTo = request.id): string {
  const xml =
    `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_r" Version="2.0" IssueInstant="${new Date().toISOString()}" InResponseTo="${responseTo}">` +
    `<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>${assertions}</samlp:Response>`
  return Buffer.from(xml).toString('base64')
}

/** Reads a request as it stands in the address that browsers are sent to. */
export function readSamlRequest(address: string): SamlRequest & { readonly relayState: string } {
  const query = new URL(address, 'http://idp.test').searchParams
  const xml = inflateRawSync(Buffer.from(query.get('SAMLRequest') ?? '', 'base64')).toString('utf8')
  const found = (pattern: RegExp): string => pattern.exec(xml)?.[1] ?? ''
  return {
    id: found(/\bID="([^"]+)"/),
    acsUrl: found(/AssertionConsumerServiceURL="([^"]+)"/),
    issuer: found(/<saml:Issuer[^>]*>([^<]+)</),
    xml,
    relayState: query.get('RelayState') ?? '',
  }
}

export interface SamlProvider extends Standing {
  readonly entityId: string
  readonly ssoUrl: string
  readonly certificate: string
}

/** @param people what it says of whom, by the name they sign in with */
export async function standSaml(people: Readonly<Record<string, Assertion>>, port = 0): Promise<SamlProvider> {
  const signer = new SamlSigner()
  const entityId = 'https://idp.example/saml'
  async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const request = readSamlRequest(req.url ?? '')
    const said = people[(await formOf(req)).get('login') ?? '']
    const assertion = said === undefined ? '' : signer.assertion(entityId, request, said)
    sendHtml(
      res,
      `<form method="post" action="${request.acsUrl}"><input type="hidden" name="SAMLResponse" value="${respondWith(request, assertion)}">` +
        `<input type="hidden" name="RelayState" value="${request.relayState}"></form><script>document.forms[0].submit()</script>`,
    )
  }
  const standing = await stand(port, (req, res) => {
    if (req.method === 'POST') void answer(req, res)
    else askWho(res, req.url?.replaceAll('&', '&amp;') ?? '')
  })
  return { ...standing, entityId, ssoUrl: `${standing.url}/sso`, certificate: signer.certificate }
}

function escape(text: string): string {
  return text.replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`)
}
