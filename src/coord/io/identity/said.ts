/** Reads what providers say of somebody: short texts and lists of them, whatever else they may send. */

import type { Proved } from '../../people/identity-providers.ts'

/** Longest text that is taken of what a provider says. */
const TEXT_MAX = 254
/** Entries of one list. */
const LIST_MAX = 2000

export function textOf(value: unknown, max: number = TEXT_MAX): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= max ? value : undefined
}

/** A list of texts; one text alone is a list of one. */
export function listOf(value: unknown): string[] {
  const items: readonly unknown[] = Array.isArray(value) ? value : typeof value === 'string' ? [value] : []
  return items
    .slice(0, LIST_MAX)
    .map((item) => textOf(item))
    .filter((text): text is string => text !== undefined)
}

/** A mail address as it can be a login name. */
export function addressOf(value: unknown): string | undefined {
  const text = textOf(value)
  return text !== undefined && /^[^\s@<>"',;]{1,64}@[A-Za-z0-9.-]{1,189}$/.test(text) ? text : undefined
}

/** Pictures that browsers are shown. */
export function pictureOf(value: unknown): string | undefined {
  const text = textOf(value, 2048)
  return text?.startsWith('https://') === true ? text : undefined
}

export type Refused = Proved & { readonly kind: 'refused' }

/** @param fault for the log: what it was exactly */
export function refused(fault: string): Refused {
  return {
    kind: 'refused',
    why: 'Your identity provider’s answer could not be accepted. Try again; if it goes on, tell an administrator.',
    fault,
  }
}

/** The provider itself says no. (RFC 6749, §4.1.2.1) */
export function refusedByProvider(code: string, description: string): Refused {
  const fault = `${code.slice(0, 64)} ${description.slice(0, 200)}`.trim()
  return code === 'access_denied' ? { kind: 'refused', why: 'The login was cancelled.', fault } : refused(fault)
}

/** They were to prove anew who they are, and the provider answers for an earlier time. */
export function provedBefore(fault: string): Refused {
  return {
    kind: 'refused',
    why: 'Your identity provider did not ask you to log in again, which is needed here. Log out there, then try again.',
    fault,
  }
}

/** The cause says more than a library's own sentence. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error).slice(0, 500)
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : ''
  return `${error.message}${cause}`.slice(0, 500)
}
