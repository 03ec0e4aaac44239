/** The two tables of HPACK: the static one everybody knows, and the dynamic one a connection builds. (RFC 7541 §2.3) */

export type Field = readonly [name: string, value: string]

/** RFC 7541 Appendix A, numbered from 1; `name=value`, or a name alone. */
const STATIC_TEXT = `:authority
:method=GET
:method=POST
:path=/
:path=/index.html
:scheme=http
:scheme=https
:status=200
:status=204
:status=206
:status=304
:status=400
:status=404
:status=500
accept-charset
accept-encoding=gzip, deflate
accept-language
accept-ranges
accept
access-control-allow-origin
age
allow
authorization
cache-control
content-disposition
content-encoding
content-language
content-length
content-location
content-range
content-type
cookie
date
etag
expect
expires
from
host
if-match
if-modified-since
if-none-match
if-range
if-unmodified-since
last-modified
link
location
max-forwards
proxy-authenticate
proxy-authorization
range
referer
refresh
retry-after
server
set-cookie
strict-transport-security
transfer-encoding
user-agent
vary
via
www-authenticate`

export const STATIC: readonly Field[] = STATIC_TEXT.split('\n').map((line) => {
  const [name = '', value = ''] = line.split(/=(.*)/)
  return [name, value]
})

const byName = new Map<string, number>()
const byField = new Map<string, number>()
for (const [i, [name, value]] of STATIC.entries()) {
  if (!byName.has(name)) byName.set(name, i + 1)
  byField.set(`${name}\n${value}`, i + 1)
}

/** Static index of a name, or 0. */
export function staticName(name: string): number {
  return byName.get(name) ?? 0
}

/** Static index of a name with this value, or 0. */
export function staticField(name: string, value: string): number {
  return byField.get(`${name}\n${value}`) ?? 0
}

/** What a field counts for, in tables and lists alike. (RFC 7541 §4.1) */
export function fieldSize(name: string, value: string): number {
  return name.length + value.length + 32
}

/** First in, first out, bounded by the counted size of its entries. (RFC 7541 §4) */
export class DynamicTable {
  /** Oldest first. */
  readonly #entries: Field[] = []
  #size = 0
  #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  get size(): number {
    return this.#size
  }

  get length(): number {
    return this.#entries.length
  }

  /** The entry at `index`, where 0 is the newest. */
  get(index: number): Field | undefined {
    return this.#entries[this.#entries.length - 1 - index]
  }

  add(field: Field): void {
    const size = fieldSize(field[0], field[1])
    this.#evict(this.#limit - size)
    if (size > this.#limit) return
    this.#entries.push(field)
    this.#size += size
  }

  resize(limit: number): void {
    this.#limit = limit
    this.#evict(limit)
  }

  #evict(room: number): void {
    while (this.#size > room) {
      const oldest = this.#entries.shift()
      if (oldest === undefined) return
      this.#size -= fieldSize(oldest[0], oldest[1])
    }
  }
}
