/** What is delivered next to one webhook endpoint: tests first, then what happened, then what time has brought. */

import { DAY_MS, later, MINUTE_MS } from '../base/clock.ts'
import type { Wall } from '../base/clock.ts'
import { Secret } from '../base/secret.ts'
import type { WebhookEvent } from '../wire/webhook-events.ts'
import type { DeliveriesOptions, Job, Prepared } from './deliveries.ts'
import { deliveryOf, EVENTS_MAX, fitting, toldTo } from './events/delivery.ts'
import { happenedIn, testOf } from './events/events.ts'
import type { About, Happened } from './events/events.ts'
import { noticesBetween } from './events/notices.ts'
import type { AuditEntry } from './model/audit.ts'
import { webhookSecretPlace } from './model/deliveries.ts'
import type { DeliveryRecord, WebhookRecord } from './model/deliveries.ts'
import { faultOfSent } from './model/outgoing.ts'

/** What could not be delivered for so long is news to nobody. */
const NEWS_MS = 3 * DAY_MS
const PAGE = 500

type Options = Pick<DeliveriesOptions, 'ledger' | 'url' | 'making' | 'unseal'>

/** An event, and what it came from: events of one entry, or of one moment, go together. */
interface Waiting {
  readonly event: WebhookEvent
  readonly from: number
}

export async function prepareEvents(
  options: Options,
  job: Job,
  id: string,
  before: DeliveryRecord,
  now: Wall,
): Promise<Prepared | undefined> {
  const { model } = options.ledger
  const state = model.state(job.tailnet)
  const [record, webhook] = [model.tailnet(job.tailnet), state.get('webhook', id)]
  if (record === undefined || webhook === undefined) return undefined
  const about: About = { state, record, url: options.url }
  const told = (happened: readonly Happened[], from: (one: Happened) => number): Waiting[] =>
    happened.flatMap((one) => {
      const event = toldTo(webhook, one, record.name)
      return event === undefined ? [] : [{ event, from: from(one) }]
    })

  const tests = before.tests.map(({ at, actor }) => testOf(at, actor))
  if (tests.length > 0) {
    const waiting = told(tests, () => 0)
    const stay = { reached: before.cursor, noticed: before.noticed, leftOut: 0, tests: tests.length }
    return { ...send(options, webhook, waiting, now), ...stay }
  }

  // Whoever does not take many may take few.
  const most = Math.max(1, EVENTS_MAX >> Math.min(before.attempts, 7))
  const found = await gather(options, job, about, id, now, told, most)
  if (found.waiting.length > 0) {
    const batch = whole(found.waiting, most)
    const next = found.waiting[batch.length]
    const reached = next === undefined ? found.reached : next.from - 1
    return {
      ...send(options, webhook, batch, now),
      reached,
      noticed: job.noticed,
      leftOut: found.leftOut,
      tests: 0,
    }
  }
  const { reached, leftOut } = found
  // Looking at all machines is not done for every change of one of them.
  const isTime = now - job.looked >= MINUTE_MS || before.attempts > 0
  const notices = isTime ? told(noticesBetween(about, job.noticed, now), ({ at }) => at) : []
  if (isTime) job.looked = now
  if (isTime && notices.length === 0) job.noticed = now
  if (notices.length === 0) return { kind: 'wait', reached, leftOut }
  const batch = whole(notices, most)
  const next = notices[batch.length]
  const noticed = next === undefined ? now : ((next.from - 1) as Wall)
  if (next !== undefined) job.looked = 0 as Wall
  return { ...send(options, webhook, batch, now), reached, noticed, leftOut, tests: 0 }
}

/** Reads on in the log until there is something for this endpoint, or it ends. */
async function gather(
  { ledger }: Options,
  job: Job,
  about: About,
  id: string,
  now: Wall,
  told: (happened: readonly Happened[], from: (one: Happened) => number) => Waiting[],
  most: number,
): Promise<{ readonly waiting: readonly Waiting[]; readonly reached: number; readonly leftOut: number }> {
  const waiting: Waiting[] = []
  let [reached, leftOut] = [job.seen, 0]
  for (;;) {
    const rows = await ledger.logs.audit(job.tailnet, reached, PAGE)
    for (const { number, at, group, entry } of rows) {
      const one = { number, at, group, entry: JSON.parse(entry) as AuditEntry }
      const events = told(happenedIn(one, about, id), () => number)
      if (at < later(now, -NEWS_MS)) leftOut += events.length
      else waiting.push(...events)
      reached = number
      if (waiting.length > most) return { waiting, reached, leftOut }
    }
    if (waiting.length > 0 || rows.length < PAGE) return { waiting, reached, leftOut }
  }
}

/** The first that fit, without parting those that came together. */
function whole(waiting: readonly Waiting[], most: number): readonly Waiting[] {
  let count = fitting(
    waiting.map(({ event }) => event),
    most,
  )
  while (count < waiting.length && waiting[count]?.from === waiting[count - 1]?.from) count++
  return waiting.slice(0, count)
}

function send(
  { making, unseal }: Options,
  webhook: WebhookRecord,
  waiting: readonly Waiting[],
  now: Wall,
): Pick<Extract<Prepared, { kind: 'send' }>, 'kind' | 'outgoing' | 'entries' | 'faultOf'> {
  const { id, secret, previous } = webhook
  const sealed = [secret, ...(previous === undefined || previous.until <= now ? [] : [previous.secret])]
  const secrets = sealed.map((text) => new Secret(unseal(text, webhookSecretPlace(id)), 'webhook secret'))
  const events = waiting.map(({ event }) => event)
  return {
    kind: 'send',
    outgoing: deliveryOf(webhook, secrets, events, now, making),
    entries: events.length,
    faultOf: faultOfSent,
  }
}
