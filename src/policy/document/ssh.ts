/** `ssh`: who may log in where, as whom. (policy.md §7) */

import { quoteText } from '../hujson/errors.ts'
import type { Place, Selector, SshRule, SshUser } from '../policy.ts'
import type { Steps } from '../steps.ts'
import { formatDuration, parseDuration } from './duration.ts'
import type { Names } from './names.ts'
import { fieldNames } from './part.ts'
import type { Part, Written } from './part.ts'
import { PolicyRefusal } from './refusal.ts'
import { ruleOfPostures } from './rule-postures.ts'
import { checkSelf, notOnSide } from './rule-sides.ts'
import { isFault, isLegal, readSelector } from './selectors.ts'

const FIELDS = fieldNames(
  'action',
  'src',
  'dst',
  'users',
  'checkPeriod',
  'acceptEnv',
  'recorder',
  'enforceRecorder',
  'srcPosture',
)

const HOUR_NS = 3_600_000_000_000n
const MAX_CHECK_PERIOD_NS = 168n * HOUR_NS
const DEFAULT_CHECK_PERIOD_MS = 12 * 3_600_000

/** @param defaultPostures for rules that name none */
export function readSsh(section: Part, names: Names, defaultPostures: readonly string[]): Steps<SshRule[]> {
  return section.each((part, index) => readRule(part, index, names, defaultPostures))
}

function* readRule(part: Part, index: number, names: Names, defaultPostures: readonly string[]): Steps<SshRule> {
  const fields = part.fields(FIELDS)
  const action = readAction(fields.get('action'), fields.at)
  const sources = yield* fields.eachWord('src', (written) => readSource(written, names))
  const destinations = yield* fields.eachWord('dst', (written) => readDestination(written, sources, names))
  checkSelf(sources, destinations)
  const users = yield* fields.eachWord('users', (written) => readUser(written, names))
  if (users.length === 0) throw new PolicyRefusal('users must be specified', fields.get('users')?.at ?? fields.at)
  return {
    index,
    at: fields.at,
    action,
    sources,
    destinations,
    users,
    checkPeriodMs: readCheckPeriod(fields.get('checkPeriod')),
    acceptEnv: (yield* fields.verbatim('acceptEnv')).map(({ text, at }) => {
      if (text === '') throw new PolicyRefusal('acceptEnv values cannot be empty', at)
      return text
    }),
    recorder: yield* fields.eachWord('recorder', (written) => readRecorder(written, names)),
    enforceRecorder: fields.boolean('enforceRecorder'),
    postures: yield* ruleOfPostures(fields.get('srcPosture'), names, defaultPostures),
  }
}

function readAction(part: Part | undefined, rule: Place): SshRule['action'] {
  const word = part?.string().trim() ?? ''
  if (word === '') throw new PolicyRefusal('action must be specified', part?.at ?? rule)
  if (word === 'accept' || word === 'check') return word
  throw new PolicyRefusal(`${quoteText(word)} is not a valid action`, part?.at ?? rule)
}

function readSource(written: Written, names: Names): Selector {
  const { text, at } = written
  const read = readSelector(written, names)
  if (isFault(read)) throw new PolicyRefusal(read.kind === 'domain' ? `[ssh] ${read.fault}` : read.fault, at)
  if (isLegal(read, 'ssh src')) return read
  if (read.kind === 'autogroup' && (read.autogroup === 'self' || read.autogroup === 'internet'))
    throw notOnSide(text, 'src', at)
  throw new PolicyRefusal(`invalid src ${quoteText(text)}`, at)
}

/** A person's own devices may be named by a rule for that person alone. */
function readDestination(written: Written, sources: readonly Selector[], names: Names): Selector {
  const { text, at } = written
  const read = readSelector(written, names)
  if (isFault(read) && text.startsWith('tag:')) throw new PolicyRefusal(read.fault, at)
  if (isFault(read) || !isLegal(read, 'ssh dst')) throw new PolicyRefusal(`invalid dst ${quoteText(text)}`, at)
  if (read.kind === 'user') {
    const [only] = sources
    const same = only?.kind === 'user' && only.login.toLowerCase() === read.login.toLowerCase()
    if (sources.length !== 1 || !same) throw new PolicyRefusal(`invalid dst ${quoteText(text)}`, at)
  }
  return read
}

/** Whatever is no special form is the name of an account, however odd: systems have their own ideas of those. */
function readUser({ text, at }: Written, names: Names): SshUser {
  if (text === '' || text === '*') throw new PolicyRefusal(`user ${quoteText(text)} is not valid`, at)
  if (text === 'autogroup:nonroot') return { kind: 'nonroot' }
  const domain = /^localpart:\*@(.+)$/s.exec(text)?.[1]
  if (domain === undefined) return { kind: 'account', name: text }
  const fault = names.domainFault(domain)
  if (fault !== undefined) throw new PolicyRefusal(fault, at)
  return { kind: 'localpart', domain }
}

function readCheckPeriod(part: Part | undefined): number {
  const text = part?.string().trim()
  if (text === undefined) return DEFAULT_CHECK_PERIOD_MS
  if (text === 'always') return 0
  const period = parseDuration(text)
  if (typeof period === 'string') throw new PolicyRefusal(period, part?.at)
  if (period < 0n)
    throw new PolicyRefusal(`checkPeriod ${formatDuration(period)} must be a positive duration`, part?.at)
  if (period > MAX_CHECK_PERIOD_NS)
    throw new PolicyRefusal(`checkPeriod ${formatDuration(period)} is above the max (168h)`, part?.at)
  return Number(period / 1_000_000n)
}

function readRecorder({ text, at }: Written, { tags }: Names): string {
  if (!text.startsWith('tag:')) throw new PolicyRefusal(`recorder ${quoteText(text)} must be a tag`, at)
  if (!tags.has(text)) throw new PolicyRefusal(`tag not found: ${quoteText(text)}`, at)
  return text
}
