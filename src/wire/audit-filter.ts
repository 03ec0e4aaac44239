/** Which entries of an audit log somebody asks for. (api-v2.md §4.6, §7.2) */

/** As much of an entry as filters look at. */
export interface Filtered {
  readonly actor: {
    readonly id: string
    readonly loginName?: string | undefined
    readonly displayName?: string | undefined
  }
  readonly target: {
    readonly id: string
    readonly name: string
    readonly type: string
    readonly property?: string | undefined
  }
  readonly action: string
}

/** An entry must satisfy one of each kind that is given. */
export interface AuditFilter {
  /** An id, or `~` and a part of a name. */
  readonly actor: readonly string[]
  readonly target: readonly string[]
  /** `TARGET.ACTION` or `TARGET.ACTION.PROPERTY`, exactly. */
  readonly event: readonly string[]
}

/** What an entry is called in filters: `NODE.UPDATE.MACHINE_NAME`. */
export function eventName({ target, action }: Filtered): string {
  return [target.type, action, ...(target.property === undefined ? [] : [target.property])].join('.')
}

export function passes(filter: AuditFilter, entry: Filtered): boolean {
  const { actor, target } = entry
  return (
    some(filter.actor, actor.id, [actor.loginName, actor.displayName]) &&
    some(filter.target, target.id, [target.name]) &&
    (filter.event.length === 0 || filter.event.includes(eventName(entry)))
  )
}

function some(wanted: readonly string[], id: string, names: readonly (string | undefined)[]): boolean {
  return (
    wanted.length === 0 ||
    wanted.some((text) =>
      text.startsWith('~')
        ? names.some((name) => name?.toLowerCase().includes(text.slice(1).toLowerCase()) === true)
        : text === id,
    )
  )
}
