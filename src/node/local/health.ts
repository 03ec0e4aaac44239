/**
 * What is wrong with a node, as it is told to people: warnings come and go by their codes, some only after a while,
 * and none while something is wrong that explains them (node.md §15). Which warnings there are is warnables.ts; who
 * notices that something is wrong is the engine's matter.
 */

import { hex, utf8 } from '../../base/bytes.ts'
import type { Bytes } from '../../base/bytes.ts'
import { formatTime, later, NEVER } from '../../base/clock.ts'
import type { Mono, Wall } from '../../base/clock.ts'
import type { DisplayMessage } from '../../wire/map-response.ts'
import { WARNABLES } from './warnables.ts'
import type { Severity, WarnableCode } from './warnables.ts'

/** Texts that a warning's own text has in it, by name. */
export type WarningArgs = { readonly [name: string]: string }

/** A warning as the bus tells it; names are those of the wire. */
export interface Warning {
  readonly WarnableCode: string
  readonly Severity: Severity
  readonly Title: string
  readonly Text: string
  /** RFC 3339. */
  readonly BrokenSince?: string
  readonly Args?: WarningArgs
  readonly DependsOn?: readonly string[]
  readonly ImpactsConnectivity?: true
  readonly PrimaryAction?: { readonly URL: string; readonly Label: string }
  /** Changes with what is told. */
  readonly ETag: string
}

export interface HealthState {
  readonly Warnings: { readonly [code: string]: Warning }
}

interface Broken {
  readonly args: WarningArgs
  readonly since: Wall
  readonly visibleFrom: Mono
}

const NO_ARGS: WarningArgs = {}

export class Health {
  readonly #sha256: (bytes: Bytes) => Uint8Array
  readonly #broken = new Map<WarnableCode, Broken>()
  #messages: ReadonlyMap<string, DisplayMessage> = new Map()

  /** @param sha256 for the ETags of warnings */
  constructor(sha256: (bytes: Bytes) => Uint8Array) {
    this.#sha256 = sha256
  }

  /** Something is wrong. Said again, it is wrong since it was first said. `true`: this is news. */
  warn(code: WarnableCode, now: { readonly mono: Mono; readonly wall: Wall }, args: WarningArgs = NO_ARGS): boolean {
    const before = this.#broken.get(code)
    if (before !== undefined && sameArgs(before.args, args)) return false
    const visibleFrom = before?.visibleFrom ?? later(now.mono, WARNABLES[code].visibleAfterMs ?? 0)
    this.#broken.set(code, { args, since: before?.since ?? now.wall, visibleFrom })
    return true
  }

  /** It is right again. `true`: this is news. */
  clear(code: WarnableCode): boolean {
    return this.#broken.delete(code)
  }

  /** `warn` or `clear`, as `wrong` says. */
  set(
    code: WarnableCode,
    wrong: boolean,
    now: { readonly mono: Mono; readonly wall: Wall },
    args?: WarningArgs,
  ): boolean {
    return wrong ? this.warn(code, now, args) : this.clear(code)
  }

  isWarning(code: WarnableCode): boolean {
    return this.#broken.has(code)
  }

  /** What the server says is wrong, by its own names; replaces what it said before. */
  setMessages(messages: ReadonlyMap<string, DisplayMessage>): void {
    this.#messages = messages
  }

  /** When what is visible changes by itself. */
  deadline(now: Mono): Mono {
    let next = NEVER
    for (const { visibleFrom } of this.#broken.values()) if (visibleFrom > now && visibleFrom < next) next = visibleFrom
    return next
  }

  /** What is to be shown now. */
  state(now: Mono): HealthState {
    const warnings: Record<string, Warning> = {}
    for (const [code, broken] of this.#visible(now)) {
      const { severity, title, text, dependsOn, impactsConnectivity } = WARNABLES[code]
      warnings[code] = this.#tagged({
        WarnableCode: code,
        Severity: severity,
        Title: title,
        Text: text(broken.args),
        BrokenSince: formatTime(broken.since),
        ...(Object.keys(broken.args).length === 0 ? {} : { Args: broken.args }),
        ...(dependsOn === undefined ? {} : { DependsOn: dependsOn }),
        ...(impactsConnectivity === true ? { ImpactsConnectivity: true } : {}),
      })
    }
    for (const [id, message] of this.#messages) {
      const code = `control-health.${id}`
      warnings[code] = this.#tagged({
        WarnableCode: code,
        Severity: severityOf(message.Severity),
        Title: message.Title,
        Text: message.Text,
        ...(message.ImpactsConnectivity === true ? { ImpactsConnectivity: true } : {}),
        ...(message.PrimaryAction === undefined ? {} : { PrimaryAction: message.PrimaryAction }),
      })
    }
    return { Warnings: warnings }
  }

  /** The texts of what is to be shown now, as status has them: our own first. */
  texts(now: Mono): string[] {
    const own = this.#visible(now).map(([code, { args }]) => WARNABLES[code].text(args))
    const told = [...this.#messages.values()].map(textOfMessage)
    return [...own.sort(), ...told.sort()]
  }

  #visible(now: Mono): [WarnableCode, Broken][] {
    return [...this.#broken].filter(
      ([code, { visibleFrom }]) =>
        visibleFrom <= now && !(WARNABLES[code].dependsOn ?? []).some((other) => this.#broken.has(other)),
    )
  }

  #tagged(warning: Omit<Warning, 'ETag'>): Warning {
    return { ...warning, ETag: hex(this.#sha256(utf8(JSON.stringify(warning)))) }
  }
}

function sameArgs(a: WarningArgs, b: WarningArgs): boolean {
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name])
}

/** What a server calls its severity is its own; what we don't know counts as the middle. */
function severityOf(text: string): Severity {
  return text === 'low' || text === 'high' ? text : 'medium'
}

function textOfMessage({ Title, Text, PrimaryAction }: DisplayMessage): string {
  const said = Title === '' ? Text : Text === '' ? `${Title}.` : `${Title}: ${Text}`
  return PrimaryAction === undefined ? said : `${said} ${PrimaryAction.Label}: ${PrimaryAction.URL}`
}
