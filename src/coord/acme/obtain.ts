/**
 * How a certificate is obtained from an authority by ACME (RFC 8555): the whole conversation, from top to bottom.
 *
 * A generator that never waits and sends nothing itself: it gives steps, and whoever takes them does them, tells what
 * came of it, and stops when the outcome comes. What is signed is signed by what was handed in. When to ask, and what
 * to do after a failure, is schedule.ts.
 */

import { SECOND_MS } from '../../base/clock.ts'
import { boundKey, keyAuthorization, signedBody } from './jws.ts'
import type { ExternalAccount, Signer } from './jws.ts'
import {
  printable,
  read,
  readAccount,
  readAuthorization,
  readDirectory,
  readOrder,
  readProblem,
  Unreadable,
} from './messages.ts'
import type { Authorization, Challenge, Directory, Order, Problem, Reader } from './messages.ts'

/** Ways to prove a name: a file on its port 80 (8.3), a certificate on its port 443 (RFC 8737). */
export type ChallengeType = 'http-01' | 'tls-alpn-01'

export interface Wish {
  /** Address of the authority's directory. */
  readonly directory: string
  /** The DNS name that the certificate is for, in lower case. */
  readonly name: string
  /** Where the authority writes to, if anywhere. */
  readonly email: string | undefined
  readonly externalAccount: ExternalAccount | undefined
  readonly challenge: ChallengeType
  /** Request for the certificate (PKCS #10, DER) in base64url. */
  readonly request: string
}

/** A proof that is to be shown while the authority looks for it. */
export interface Proof {
  readonly type: ChallengeType
  readonly name: string
  readonly token: string
  readonly keyAuthorization: string
}

export type Step =
  /** Answered by a `Reply`. */
  | { readonly kind: 'send'; readonly method: 'GET' | 'HEAD' | 'POST'; readonly url: string; readonly body?: string }
  /** From now on the proof is shown. */
  | { readonly kind: 'present'; readonly proof: Proof }
  /** The proof need not be shown any more. */
  | { readonly kind: 'withdraw' }
  | { readonly kind: 'wait'; readonly ms: number }

/** What came back; status 0 stands for nothing at all, and the body says why. */
export interface Reply {
  readonly status: number
  readonly body: string
  readonly nonce: string | undefined
  readonly location: string | undefined
  readonly retryAfterMs: number | undefined
}

export type Outcome =
  | {
      readonly kind: 'issued'
      /** The certificate and those above it, PEM; not looked into. */
      readonly chain: string
      /** The account was made for it, by which these terms were agreed to. */
      readonly agreed: { readonly terms: string | undefined } | undefined
    }
  | {
      readonly kind: 'failed'
      /** What was attempted, what is wrong and what to do, as one text. */
      readonly why: string
      readonly retryAfterMs: number | undefined
    }

/** Nonces are refused now and then; so often in a row means something else. */
const MOST_NONCES = 10
/** Attempts at one request when nothing, or a passing trouble, is the answer. */
const MOST_TRIES = 4
/** Of the authority's words and ours together. */
const MOST_WORDS = 2000
const FIRST_TRY_MS = 2 * SECOND_MS
/** A request that should be repeated later than this is not waited for. */
const LONGEST_TRY_MS = 30 * SECOND_MS
/** Between two looks at something that is being worked on, unless the answer says otherwise. */
const FIRST_LOOK_MS = SECOND_MS
const LONGEST_LOOK_MS = 10 * SECOND_MS
/** So long may one thing be worked on. */
const LONGEST_WORK_MS = 5 * 60 * SECOND_MS

type Conversation<T> = Generator<Step, T, Reply | undefined>

/**
 * Obtains one certificate. Every `send` is to be answered by a `Reply`, other steps by nothing. What is presented is
 * withdrawn before the outcome, whatever it is.
 */
export function* obtain(wish: Wish, signer: Signer): Conversation<Outcome> {
  try {
    const talk = new Talk(signer, yield* openDirectory(wish.directory))
    const agreed = yield* openAccount(talk, wish)
    const { url, order } = yield* openOrder(talk, wish)
    for (const each of order.authorizations) yield* authorize(talk, each, wish)
    const ready = yield* settled(talk, url, order, 'pending', 'the order')
    if (ready.status === 'ready') yield* talk.post(ready.finalize, { csr: wish.request }, 'finish the order')
    const done =
      ready.status === 'valid' ? ready : yield* settled(talk, url, undefined, 'processing', 'the certificate')
    if (done.certificate === undefined) throw new Failed(`The order ended as ${done.status}, without a certificate`)
    const { body } = yield* talk.post(done.certificate, undefined, 'fetch the certificate')
    return { kind: 'issued', chain: body, agreed }
  } catch (error) {
    if (!(error instanceof Failed)) throw error
    return { kind: 'failed', why: printable(error.message, MOST_WORDS), retryAfterMs: error.retryAfterMs }
  }
}

/** Ends the conversation. */
class Failed extends Error {
  readonly retryAfterMs: number | undefined
  constructor(why: string, retryAfterMs?: number) {
    super(why)
    this.retryAfterMs = retryAfterMs
  }
}

function* openDirectory(url: string): Conversation<Directory> {
  const reply = yield* send({ kind: 'send', method: 'GET', url })
  if (reply.status === 200) return parsed(reply, readDirectory, `read the directory ${url}`)
  const advice = reply.status === 0 ? '' : '; is this the address of an ACME server?'
  throw new Failed(`Cannot read the directory ${url}: ${describe(reply)}${advice}`)
}

/** Finds the account of our key, or makes one. Asking for one that exists is how it is found (7.3.1). */
function* openAccount(talk: Talk, wish: Wish): Conversation<{ readonly terms: string | undefined } | undefined> {
  const { directory } = talk
  if (directory.wantsExternalAccount && wish.externalAccount === undefined)
    throw new Failed('The authority wants to know its customers: give --acme-eab KEYID:KEY, which it hands out')
  const payload = {
    termsOfServiceAgreed: true,
    ...(wish.email === undefined ? {} : { contact: [`mailto:${wish.email}`] }),
    ...(wish.externalAccount === undefined
      ? {}
      : { externalAccountBinding: boundKey(talk.signer, wish.externalAccount, directory.newAccount) }),
  }
  const reply = yield* talk.post(directory.newAccount, payload, 'open an account')
  const { status } = parsed(reply, readAccount, 'open an account')
  if (status !== 'valid') throw new Failed(`The account is ${status}: delete acme-account.pem to have another one made`)
  talk.kid = addressed(reply, 'the account')
  return reply.status === 201 ? { terms: directory.terms } : undefined
}

function* openOrder(talk: Talk, { name }: Wish): Conversation<{ readonly url: string; readonly order: Order }> {
  const payload = { identifiers: [{ type: 'dns', value: name }] }
  const reply = yield* talk.post(talk.directory.newOrder, payload, `order a certificate for ${name}`)
  return { url: addressed(reply, 'the order'), order: parsed(reply, readOrder, 'read the order') }
}

/** Proves one name, unless that was done before. */
function* authorize(talk: Talk, url: string, wish: Wish): Conversation<void> {
  const what = `the proof of ${wish.name}`
  const found = parsed(yield* talk.post(url, undefined, `read ${what}`), readAuthorization, `read ${what}`)
  if (found.name !== wish.name)
    throw new Failed(`The authority wants a proof of ${JSON.stringify(found.name)}, which was not asked for`)
  if (found.status === 'valid') return
  const challenge = found.challenges.find(({ type }) => type === wish.challenge)
  if (found.status !== 'pending' || challenge === undefined) throw new Failed(unprovable(found, wish))
  const { token } = challenge
  yield {
    kind: 'present',
    proof: { type: wish.challenge, name: wish.name, token, keyAuthorization: keyAuthorization(token, talk.signer) },
  }
  try {
    yield* talk.post(challenge.url, {}, `offer ${what}`)
    const judged = yield* talk.until(url, readAuthorization, ({ status }) => status !== 'pending', what)
    if (judged.status !== 'valid') throw new Failed(unprovable(judged, wish))
  } finally {
    yield { kind: 'withdraw' }
  }
}

/** The order once it is no longer `from`. @param known What was seen of it last */
function* settled(
  talk: Talk,
  url: string,
  known: Order | undefined,
  from: Order['status'],
  what: string,
): Conversation<Order> {
  const isOver = ({ status }: Order) => status !== from
  const order = known !== undefined && isOver(known) ? known : yield* talk.until(url, readOrder, isOver, what)
  if (order.status === 'invalid')
    throw new Failed(
      `The authority gave the order up: ${order.error === undefined ? 'without a reason' : said(order.error)}`,
    )
  return order
}

/** The signed part of the conversation: who we are, and the nonce for the next word. */
class Talk {
  readonly signer: Signer
  readonly directory: Directory
  /** Address of our account, once there is one. */
  kid: string | undefined
  #nonce: string | undefined

  constructor(signer: Signer, directory: Directory) {
    this.signer = signer
    this.directory = directory
  }

  /** Sends what is signed, or reads. @param attempt What it is for, as "Cannot …" goes on */
  *post(url: string, payload: object | undefined, attempt: string): Conversation<Reply> {
    for (let refused = 0; ;) {
      const nonce = this.#nonce ?? (yield* this.#freshNonce())
      this.#nonce = undefined
      const body = signedBody(this.signer, { url, nonce, kid: this.kid }, payload)
      const reply = yield* send({ kind: 'send', method: 'POST', url, body })
      this.#nonce = reply.nonce
      if (reply.status >= 200 && reply.status < 300) return reply
      const problem = readProblem(reply.status, reply.body)
      if (problem.type === 'badNonce' && ++refused < MOST_NONCES) continue
      throw new Failed(`Cannot ${attempt}: ${describe(reply)}${adviceOn(problem)}`, reply.retryAfterMs)
    }
  }

  /** Reads something again and again until it is over. */
  *until<T>(url: string, reader: Reader<T>, isOver: (seen: T) => boolean, what: string): Conversation<T> {
    let pause = FIRST_LOOK_MS
    for (let waited = 0; ;) {
      const reply = yield* this.post(url, undefined, `read ${what}`)
      const seen = parsed(reply, reader, `read ${what}`)
      if (isOver(seen)) return seen
      const ms = Math.max(FIRST_LOOK_MS, reply.retryAfterMs ?? pause)
      waited += ms
      if (waited > LONGEST_WORK_MS)
        throw new Failed(
          `The authority is still at work on ${what} after ${LONGEST_WORK_MS / 60_000} minutes`,
          reply.retryAfterMs,
        )
      yield { kind: 'wait', ms }
      pause = Math.min(pause * 2, LONGEST_LOOK_MS)
    }
  }

  *#freshNonce(): Conversation<string> {
    const reply = yield* send({ kind: 'send', method: 'HEAD', url: this.directory.newNonce })
    if (reply.nonce !== undefined) return reply.nonce
    throw new Failed(
      `Cannot get a nonce from the authority: ${reply.status === 0 || reply.status > 299 ? describe(reply) : 'it sends none'}`,
    )
  }
}

/** Sends, and again when nothing came back, or an answer that asks to come back soon. */
function* send(step: Extract<Step, { kind: 'send' }>): Conversation<Reply> {
  let pause = FIRST_TRY_MS
  for (let tries = 1; ; tries++) {
    const reply = yield step
    if (reply === undefined) throw new Error('A request was left without an answer')
    const passes = reply.status === 0 || reply.status === 429 || reply.status >= 500
    const ms = Math.max(pause, reply.retryAfterMs ?? 0)
    if (!passes || tries === MOST_TRIES || ms > LONGEST_TRY_MS) return reply
    yield { kind: 'wait', ms }
    pause *= 2
  }
}

function parsed<T>(reply: Reply, reader: Reader<T>, attempt: string): T {
  const found = read(reply.body, reader)
  if (found instanceof Unreadable) throw new Failed(`Cannot ${attempt}: ${found.why}`)
  return found
}

/** The address that an answer gives to what it has made. */
function addressed({ location }: Reply, what: string): string {
  if (location !== undefined && /^https:\/\/\S{1,2000}$/.test(location)) return location
  throw new Failed(`The authority gave ${what} no address`)
}

/** What is wrong with an answer. */
function describe({ status, body }: Reply): string {
  return status === 0 ? body : said(readProblem(status, body))
}

function said({ type, detail }: Problem): string {
  return type === '' ? detail : `${detail} (${type})`
}

function unprovable({ status, challenges }: Authorization, { name, challenge: type }: Wish): string {
  const challenge: Challenge | undefined = challenges.find((each) => each.type === type)
  if (challenge === undefined) return `The authority takes no proof by ${type} for ${name}`
  const why = challenge.error === undefined ? `the proof is ${status}` : said(challenge.error)
  return `The authority could not prove ${name} by ${type}: ${why}; ${HOW[type]}`
}

const HOW: Readonly<Record<ChallengeType, string>> = {
  'http-01': 'its name must lead to this machine, and TCP port 80 must get from the internet to --http-listen',
  'tls-alpn-01':
    'its name must lead to this machine, and TCP port 443 must get from the internet to --listen, through nothing that ends TLS',
}

function adviceOn({ type }: Problem): string {
  const advice: Readonly<Record<string, string>> = {
    rateLimited: '; it has been asked too often, and is asked again later',
    rejectedIdentifier: '; a public authority takes only names of the public DNS',
    unsupportedContact: '; give another address with --acme-email, or none',
    invalidContact: '; give another address with --acme-email, or none',
    unauthorized: '; if the account is at fault, delete acme-account.pem to have another one made',
    userActionRequired: '; the terms may have changed: its owner has to agree to them there',
    badNonce: '; it refuses every nonce that it gives',
  }
  return advice[type] ?? ''
}
