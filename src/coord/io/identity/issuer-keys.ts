/**
 * The keys that issuers of ID tokens publish: found by discovery, kept for a while, read anew when a token names one that
 * is not among them. (OpenID Connect Discovery 1.0 §4)
 */

import { createLocalJWKSet } from 'jose'
import type { JSONWebKeySet } from 'jose'
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../../../base/clock.ts'
import type { Mono } from '../../../base/clock.ts'
import { isLoopbackHost } from '../../rest/federation.ts'

export type KeySet = ReturnType<typeof createLocalJWKSet>

/** Issuers show a new key for longer than this before they sign with it. */
const FRESH_MS = 10 * MINUTE_MS
/** While an issuer does not answer, what it last said holds for so long. */
const STALE_MS = HOUR_MS
/** Tokens that name unknown keys make us ask no more often than this. */
const AGAIN_MS = 30 * SECOND_MS
/** An issuer that has just failed is left alone for so long. */
const FAILED_MS = 10 * SECOND_MS
/** Issuers remembered; the one unused for longest is forgotten first. */
const MOST_ISSUERS = 200
const MOST_KEYS = 100
/** Asked at once, all issuers together. */
const MOST_ASKED = 8

interface Known {
  keys?: KeySet
  /** When `keys` were read. */
  at: Mono
  failure?: { readonly at: Mono; readonly error: Error }
  asking?: Promise<KeySet>
}

export interface IssuerKeysOptions {
  readonly mono: () => Mono
  /** Rejects with an error that says what went wrong. */
  readonly fetch: (url: string) => Promise<unknown>
  /** Told of an issuer that could not be asked; not told again for a while. */
  readonly failed: (issuer: string, why: string) => void
}

export class IssuerKeys {
  readonly #options: IssuerKeysOptions
  /** In the order of their last use. */
  readonly #known = new Map<string, Known>()
  #asked = 0

  constructor(options: IssuerKeysOptions) {
    this.#options = options
  }

  /**
   * Rejects with an error that says what went wrong.
   *
   * @param anew A token names a key that is not among those last read
   */
  async of(issuer: string, anew = false): Promise<KeySet> {
    const known = this.#use(issuer)
    const age = this.#options.mono() - known.at
    if (known.keys !== undefined && age < (anew ? AGAIN_MS : FRESH_MS)) return known.keys
    const { failure } = known
    if (failure !== undefined && this.#options.mono() - failure.at < FAILED_MS)
      return orStale(known, age, failure.error)
    known.asking ??= this.#ask(issuer, known).finally(() => delete known.asking)
    return await known.asking.catch((error: unknown) => orStale(known, age, error as Error))
  }

  #use(issuer: string): Known {
    const known = this.#known.get(issuer) ?? { at: 0 as Mono }
    this.#known.delete(issuer)
    this.#known.set(issuer, known)
    if (this.#known.size > MOST_ISSUERS) this.#known.delete(this.#known.keys().next().value as string)
    return known
  }

  async #ask(issuer: string, known: Known): Promise<KeySet> {
    if (this.#asked >= MOST_ASKED) throw new Error('too many issuers are being asked: try again')
    this.#asked++
    const { fetch, mono } = this.#options
    try {
      const document = await fetch(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)
      const keys = keySetOf(await fetch(keysUrlOf(issuer, document)))
      known.keys = keys
      known.at = mono()
      delete known.failure
      return keys
    } catch (error) {
      known.failure = { at: mono(), error: error as Error }
      this.#options.failed(issuer, (error as Error).message)
      throw error
    } finally {
      this.#asked--
    }
  }
}

function orStale({ keys }: Known, age: number, error: Error): KeySet {
  if (keys === undefined || age >= STALE_MS) throw error
  return keys
}

/** A document of another issuer says nothing of this one. */
function keysUrlOf(issuer: string, document: unknown): string {
  const { issuer: said, jwks_uri: url } = (document ?? {}) as { readonly issuer?: unknown; readonly jwks_uri?: unknown }
  if (said !== issuer) throw new Error('its discovery document names another issuer')
  if (typeof url !== 'string' || !URL.canParse(url)) throw new Error('its discovery document has no jwks_uri')
  const isLocal = isLoopbackHost(new URL(url).hostname)
  if (!url.startsWith('https://') && !isLocal) throw new Error('its jwks_uri is not https')
  if (isLocal && !isLoopbackHost(new URL(issuer).hostname)) throw new Error('its jwks_uri leads to this machine itself')
  return url
}

function keySetOf(document: unknown): KeySet {
  const { keys } = (document ?? {}) as { readonly keys?: unknown }
  if (!Array.isArray(keys)) throw new Error('what it publishes is no key set')
  if (keys.length > MOST_KEYS) throw new Error(`it publishes more than ${MOST_KEYS} keys`)
  return createLocalJWKSet(document as JSONWebKeySet)
}
