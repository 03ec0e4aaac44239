/**
 * A delivery to a webhook endpoint as a request: a JSON array that is signed, or the body that a chat takes.
 * (api-v2.md §7.1)
 */

import { hex, utf8 } from '../../base/bytes.ts'
import { formatTime } from '../../base/clock.ts'
import type { Wall } from '../../base/clock.ts'
import type { Secret } from '../../base/secret.ts'
import { toldAs } from '../../wire/webhook-events.ts'
import type { WebhookEvent } from '../../wire/webhook-events.ts'
import { MAX_BODY_BYTES } from '../model/deliveries.ts'
import type { WebhookRecord } from '../model/deliveries.ts'
import type { Making, Outgoing } from '../model/outgoing.ts'
import type { Happened } from './events.ts'

export const SIGNATURE_HEADER = 'Tailscale-Webhook-Signature'
/** Most events of one delivery. */
export const EVENTS_MAX = 100
/** Discord refuses texts of more than 2000 characters; the others cut them. */
const CHAT_MAX = 1900

/** What an endpoint is told of, as it is told it. */
export function toldTo(
  { subscriptions }: Pick<WebhookRecord, 'subscriptions'>,
  { at, type, message, data }: Happened,
  tailnet: string,
): WebhookEvent | undefined {
  const told = toldAs(subscriptions, type)
  return told === undefined ? undefined : { timestamp: formatTime(at), version: 1, type: told, tailnet, message, data }
}

/** How many of the first events fit into one delivery; at least one, however large it is. */
export function fitting(events: readonly WebhookEvent[], most = EVENTS_MAX): number {
  let size = 0
  for (const [i, event] of events.entries()) {
    size += JSON.stringify(event).length
    if (i === most || (i > 0 && size > MAX_BODY_BYTES)) return i
  }
  return events.length
}

/** @param secrets the endpoint's, and the one before while it is still good */
export function deliveryOf(
  { url, providerType }: Pick<WebhookRecord, 'url' | 'providerType'>,
  secrets: readonly Secret[],
  events: readonly WebhookEvent[],
  now: Wall,
  { hmac }: Pick<Making, 'hmac'>,
): Outgoing {
  const text = bodyOf(providerType, events)
  const seconds = Math.floor(now / 1000)
  const signed = utf8(`${seconds}.${text}`)
  const signatures = secrets.map((secret) => `v1=${hex(hmac(utf8(secret.reveal()), signed))}`)
  return {
    kind: 'http',
    method: 'POST',
    url,
    headers: {
      'Content-Type': 'application/json',
      'User-Agent': 'sett-webhooks',
      [SIGNATURE_HEADER]: [`t=${seconds}`, ...signatures].join(','),
    },
    body: utf8(text),
  }
}

function bodyOf(type: WebhookRecord['providerType'], events: readonly WebhookEvent[]): string {
  if (type === '') return JSON.stringify(events)
  const lines = events.map(({ tailnet, message }) => `[${tailnet}] ${message}`).join('\n')
  if (type !== 'discord') return JSON.stringify({ text: harmless(lines) })
  const content = lines.length <= CHAT_MAX ? lines : `${lines.slice(0, CHAT_MAX)}…`
  return JSON.stringify({ content, allowed_mentions: { parse: [] } })
}

/** Names of machines come from machines: in a chat they mention nobody, and link to nothing. */
function harmless(text: string): string {
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  return escaped.replaceAll(/@(?=(all|channel|here|everyone)\b)/gi, '@\u200b')
}
