/**
 * SAML 2.0, web browser profile: a request by redirect, a signed assertion by POST. (saml-profiles-2.0, §4.1)
 *
 * Nothing is kept between the two: the request's id follows from the login's nonce, and an assertion must answer just
 * that request. Since the login's state is good once, so is an assertion.
 */

import { SAML, ValidateInResponseTo } from '@node-saml/node-saml'
import type { Profile, SamlConfig } from '@node-saml/node-saml'
import { MINUTE_MS } from '../../../base/clock.ts'
import type { SamlSettings } from '../../model/records.ts'
import type { Journey, Proved } from '../../people/identity-providers.ts'
import { unplainness } from './plain-xml.ts'
import { addressOf, listOf, messageOf, provedBefore, refused, textOf } from './said.ts'

/** How far a provider's clock may be from ours. */
const SKEW_MS = MINUTE_MS
/** As long as a login may take. */
const AGE_MAX_MS = 15 * MINUTE_MS
/** Longest answer, in base64. */
const ANSWER_MAX = 200_000

const PERSISTENT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent'
const BEARER = 'urn:oasis:names:tc:SAML:2.0:cm:bearer'
/** Names that are another's tomorrow: addresses are handed on, transient ones are made up for each login. */
const FLEETING: ReadonlySet<string> = new Set([
  'urn:oasis:names:tc:SAML:2.0:nameid-format:transient',
  'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress',
])
/** How assertions may be signed. SHA-1 is not among them, nor what needs no key of the provider's. */
const ALGORITHMS: ReadonlySet<string> = new Set([
  'http://www.w3.org/2001/10/xml-exc-c14n#',
  'http://www.w3.org/2000/09/xmldsig#enveloped-signature',
  'http://www.w3.org/2001/04/xmlenc#sha256',
  'http://www.w3.org/2001/04/xmlenc#sha512',
  'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
  'http://www.w3.org/2001/04/xmldsig-more#rsa-sha512',
])
/** Attributes that hold what people are called; the second is `displayName` as LDAP numbers it. */
const DISPLAY_NAMES = [
  'displayName',
  'urn:oid:2.16.840.1.113730.3.1.241',
  'http://schemas.microsoft.com/identity/claims/displayname',
] as const

/** @param acsUrl where answers are posted to; it is our entity id as well */
export async function beginSaml(settings: SamlSettings, acsUrl: string, journey: Journey): Promise<string> {
  return await samlFor(settings, acsUrl, journey).getAuthorizeUrlAsync(journey.state, undefined, {})
}

export async function finishSaml(
  settings: SamlSettings,
  acsUrl: string,
  journey: Journey,
  answer: URLSearchParams,
): Promise<Proved> {
  const text = answer.get('SAMLResponse') ?? ''
  if (text === '' || text.length > ANSWER_MAX) return refused(`an answer of ${text.length} characters`)
  const strange = strangeness(Buffer.from(text, 'base64').toString('utf8'))
  if (strange !== undefined) return refused(strange)
  try {
    const { profile } = await samlFor(settings, acsUrl, journey).validatePostResponseAsync({ SAMLResponse: text })
    if (profile === null) return refused('it answers no login')
    return read(settings, acsUrl, journey, profile)
  } catch (error) {
    return refused(messageOf(error))
  }
}

function samlFor(settings: SamlSettings, acsUrl: string, journey: Journey): SAML {
  const id = requestId(journey)
  const begun = new Date(journey.begun).toISOString()
  const config: SamlConfig = {
    entryPoint: settings.ssoUrl,
    idpIssuer: settings.entityId,
    idpCert: [...settings.certificates],
    issuer: acsUrl,
    callbackUrl: acsUrl,
    audience: acsUrl,
    identifierFormat: PERSISTENT,
    wantAssertionsSigned: true,
    wantAuthnResponseSigned: false,
    acceptedClockSkewMs: SKEW_MS,
    maxAssertionAgeMs: AGE_MAX_MS,
    requestIdExpirationPeriodMs: AGE_MAX_MS,
    disableRequestedAuthnContext: true,
    forceAuthn: journey.again,
    generateUniqueId: () => id,
    validateInResponseTo: ValidateInResponseTo.always,
    cacheProvider: {
      saveAsync: (_, value) => Promise.resolve({ value, createdAt: journey.begun }),
      getAsync: (key) => Promise.resolve(key === id ? begun : null),
      removeAsync: (key) => Promise.resolve(key),
    },
  }
  return new SAML(config)
}

/** What speaks against the XML before it is parsed. */
function strangeness(xml: string): string | undefined {
  const unplain = unplainness(xml)
  if (unplain !== undefined) return unplain
  const algorithm = [...xml.matchAll(/\bAlgorithm\s*=\s*(?:"([^"]*)"|'([^']*)')/g)]
    .map(([, double, single]) => double ?? single ?? '')
    .find((name) => !ALGORITHMS.has(name))
  return algorithm === undefined ? undefined : `it uses the algorithm ${algorithm.slice(0, 100)}`
}

/** Checks what the library leaves to its user, of what is signed. (saml-profiles-2.0, §4.1.4.2 and §4.1.4.3) */
function read(settings: SamlSettings, acsUrl: string, journey: Journey, profile: Profile): Proved {
  if (profile.issuer !== settings.entityId) return refused(`the assertion is not of ${settings.entityId}`)
  const assertion = part(profile.getAssertion?.(), 'Assertion')
  const confirmations = parts(parts(assertion, 'Subject')[0], 'SubjectConfirmation')
  const confirmed = confirmations.some((confirmation) => {
    const data = attributes(parts(confirmation, 'SubjectConfirmationData')[0])
    return (
      attributes(confirmation)['Method'] === BEARER &&
      data['Recipient'] === acsUrl &&
      data['InResponseTo'] === requestId(journey) &&
      Date.parse(String(data['NotOnOrAfter'])) > Date.now() - SKEW_MS
    )
  })
  if (!confirmed) return refused('the assertion does not confirm that it is for this login')
  if (journey.again) {
    const when = Date.parse(String(attributes(parts(assertion, 'AuthnStatement')[0])['AuthnInstant']))
    if (!(when >= journey.begun - SKEW_MS)) return provedBefore('AuthnInstant is before the login began')
  }
  if (FLEETING.has(profile.nameIDFormat))
    return refused(`its NameID is of the format ${profile.nameIDFormat}: let it send persistent ones`)
  const subject = textOf(profile.nameID)
  if (subject === undefined) return refused('it sends no NameID')
  const said = (profile['attributes'] ?? {}) as Readonly<Record<string, unknown>>
  const own = (name: string): unknown => (Object.hasOwn(said, name) ? said[name] : undefined)
  const email = addressOf(listOf(own(settings.emailAttribute))[0])
  const displayName = DISPLAY_NAMES.map((name) => textOf(own(name))).find((name) => name !== undefined)
  return {
    kind: 'proved',
    claims: {
      issuer: settings.entityId,
      subject,
      ...(email === undefined ? {} : { email }),
      ...(displayName === undefined ? {} : { displayName }),
      groups: listOf(own(settings.groupsAttribute)),
    },
  }
}

/** An XML id must not begin with a digit. */
function requestId({ nonce }: Journey): string {
  return `_${nonce}`
}

/** The library's XML: elements are lists under their names, attributes stand under `$`. */
type Element = Readonly<Record<string, unknown>>

function part(of: unknown, name: string): Element {
  const value = (of as Element | undefined)?.[name]
  return typeof value === 'object' && value !== null ? (value as Element) : {}
}

function parts(of: Element | undefined, name: string): readonly Element[] {
  const value = of?.[name]
  return Array.isArray(value) ? (value as Element[]).filter((item) => typeof item === 'object') : []
}

function attributes(of: Element | undefined): Element {
  return part(of, '$')
}
