/**
 * The certificate that the server obtains itself and keeps good: it asks when the schedule says so, keeps what it got,
 * has it shown, and says what went wrong. As long as there is nothing better, the old one stays.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { formatTime, later, MINUTE_MS, SECOND_MS } from '../../../base/clock.ts'
import type { Clocks, Mono } from '../../../base/clock.ts'
import type { Dice } from '../../../base/bytes.ts'
import { makeSelfSigned } from '../../../crypto/io/self-signed.ts'
import type { CertifiedKey } from '../../../crypto/io/self-signed.ts'
import { base64url } from '../../acme/jws.ts'
import type { ExternalAccount, Signer } from '../../acme/jws.ts'
import { obtain } from '../../acme/obtain.ts'
import type { ChallengeType, Outcome, Reply } from '../../acme/obtain.ts'
import { renewalOf, Schedule } from '../../acme/schedule.ts'
import type { Log } from '../log.ts'
import { Ticker } from '../ticker.ts'
import type { Certificates, CertificateState } from '../tls/certificates.ts'
import { validityOf } from '../tls/pair.ts'
import { loadAccountKey, signerOf } from './account-key.ts'
import { makeRequest } from './certificate-request.ts'
import { faultOfChain, keep, readKept } from './kept-certificate.ts'
import { Proofs } from './proofs.ts'
import { transmit } from './transport.ts'

export interface AcmeOptions {
  /** The data folder. */
  readonly folder: string
  readonly directory: string
  readonly name: string
  readonly email: string | undefined
  readonly externalAccount: ExternalAccount | undefined
  /** Ways to prove the name that lead here; never empty. They take turns until one of them works. */
  readonly challenges: readonly ChallengeType[]
  readonly log: Log
  readonly clocks: Clocks
  readonly dice: Dice
  readonly agent: string
  /** Certificates to trust for the authority itself instead of the system's, for tests. */
  readonly ca?: string
}

/** One attempt, whatever the authority asks to wait. */
const LONGEST_ATTEMPT_MS = 15 * MINUTE_MS
const STAND_IN_DAYS = 30

export class AcmeCertificates implements Certificates {
  readonly #options: AcmeOptions
  readonly #signer: Signer
  readonly #proofs = new Proofs()
  readonly #schedule: Schedule
  readonly #ticker: Ticker
  readonly #ended = new AbortController()
  #current: CertifiedKey
  #state: CertificateState
  #failures = 0
  #followers: ((pair: CertifiedKey) => void)[] = []
  #attempt: Promise<void> | undefined
  /** The way that worked last, or the next to try. */
  #way = 0

  /** Asks for nothing before `start`. @throws MeshError `config/invalid` when a file of it is damaged */
  constructor(options: AcmeOptions) {
    const { folder, name, directory, dice, clocks } = options
    this.#options = options
    this.#signer = signerOf(loadAccountKey(folder))
    const kept = readKept(folder, name)
    const validity = kept === undefined ? undefined : validityOf(kept.cert)
    this.#current = kept ?? makeSelfSigned([name], new Date(clocks.wall()), { days: STAND_IN_DAYS })
    this.#state = validity === undefined ? {} : { until: validity.until }
    // One from another authority is shown until there is one from the authority that is wanted.
    this.#schedule = new Schedule(dice, kept?.directory === directory ? validity : undefined)
    this.#ticker = new Ticker(
      () => clocks.mono(),
      () => this,
    )
  }

  get current(): CertifiedKey {
    return this.#current
  }

  get state(): CertificateState {
    return this.#state
  }

  get failures(): number {
    return this.#failures
  }

  follow(show: (pair: CertifiedKey) => void): void {
    this.#followers.push(show)
  }

  proofOf(name: string): CertifiedKey | undefined {
    return this.#proofs.certificate(name)
  }

  /** What the authority finds under a token, if it may look for it now. */
  answer(token: string): string | undefined {
    return this.#proofs.answer(token)
  }

  /** From now on a certificate is asked for when it is time. */
  start(): void {
    this.#ticker.wake()
  }

  tick(now: Mono): void {
    if (!this.#schedule.begins(now, this.#options.clocks.wall())) return
    this.#attempt = this.#run().finally(() => this.#ticker.wake())
  }

  deadline(now: Mono): Mono {
    return later(now, this.#schedule.waitMs(now, this.#options.clocks.wall()))
  }

  close(): void {
    this.#ended.abort()
    this.#ticker.stop()
    this.#proofs.withdraw()
    this.#followers = []
  }

  /** Resolves once nothing is under way any more. */
  async idle(): Promise<void> {
    await this.#attempt
  }

  async #run(): Promise<void> {
    const { name, directory, challenges, log } = this.#options
    const challenge = challenges[this.#way % challenges.length] as ChallengeType
    log.info('asking for a certificate', { name, authority: directory, proof: challenge })
    try {
      const { request, key } = makeRequest(name)
      const outcome = await this.#converse(base64url(request), challenge)
      if (outcome.kind === 'failed') return this.#failed(outcome.why, outcome.retryAfterMs)
      if (outcome.agreed !== undefined) log.info('certificate account made', { terms: outcome.agreed.terms })
      this.#take({ cert: outcome.chain, key })
    } catch (error) {
      if (!this.#ended.signal.aborted) this.#failed(reasonOf(error), undefined)
    } finally {
      this.#proofs.withdraw()
    }
  }

  /** Does the steps of one conversation. */
  async #converse(request: string, challenge: ChallengeType): Promise<Outcome> {
    const { name, directory, email, externalAccount, clocks, agent, ca } = this.#options
    const late = AbortSignal.timeout(LONGEST_ATTEMPT_MS)
    const signal = AbortSignal.any([this.#ended.signal, late])
    const steps = obtain({ directory, name, email, externalAccount, challenge, request }, this.#signer)
    for (let reply: Reply | undefined; ;) {
      const { done, value } = steps.next(reply)
      reply = undefined
      if (done) return value
      if (value.kind === 'present') this.#proofs.present(value.proof, new Date(clocks.wall()))
      else if (value.kind === 'withdraw') this.#proofs.withdraw()
      else if (value.kind === 'wait') await sleep(value.ms, undefined, { signal, ref: false })
      else
        reply = await transmit(value, { signal, wall: () => clocks.wall(), agent, ...(ca === undefined ? {} : { ca }) })
    }
  }

  #take(pair: CertifiedKey): void {
    const { folder, name, directory, clocks, log } = this.#options
    const fault = faultOfChain(pair, name)
    if (fault !== undefined) return this.#failed(`The authority finished the order, but ${fault}`, undefined)
    try {
      keep(folder, { ...pair, directory })
    } catch (err) {
      // It is good all the same, until the next start.
      log.warn('certificate not kept', { err })
    }
    const validity = validityOf(pair.cert)
    this.#schedule.succeeded(validity, clocks.mono())
    this.#current = pair
    this.#state = { until: validity.until }
    for (const show of this.#followers) show(pair)
    const wall = clocks.wall()
    if (wall < validity.from || wall > validity.until)
      log.warn("the certificate is not good by this machine's clock: is the clock right?", { name })
    log.info('certificate obtained', {
      name,
      until: formatTime(validity.until),
      renewal: formatTime(renewalOf(validity)),
    })
  }

  #failed(why: string, retryAfterMs: number | undefined): void {
    const { name, clocks, log } = this.#options
    const waits = this.#schedule.failed(clocks.mono(), retryAfterMs)
    this.#way++
    this.#failures++
    const at = clocks.wall()
    this.#state = { ...this.#state, failure: { at, why } }
    const { until } = this.#state
    const event =
      until === undefined
        ? 'no certificate yet'
        : until > at
          ? 'certificate not renewed, the old one stays'
          : 'certificate has run out and was not renewed'
    log.warn(event, {
      name,
      why,
      ...(until === undefined ? {} : { until: formatTime(until) }),
      again: formatTime(later(at, Math.ceil(waits / SECOND_MS) * SECOND_MS)),
    })
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof Error && /^(Timeout|Abort)Error$/.test(error.name))
    return `The authority did not come to an end within ${LONGEST_ATTEMPT_MS / MINUTE_MS} minutes`
  return error instanceof Error ? error.message : String(error)
}
