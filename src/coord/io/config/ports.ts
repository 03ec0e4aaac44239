/** Finds two addresses of one configuration that cannot both be listened on, before the system says so of one alone. */

import type { Config, Listen } from './options.ts'

type ListenOption = 'listen' | 'http-listen' | 'relay-listen' | 'stun-listen'

export interface Clash {
  /** The same one twice when its own list holds both. */
  readonly options: readonly [ListenOption, ListenOption]
  readonly protocol: 'TCP' | 'UDP'
  readonly port: number
}

interface Wish {
  readonly option: ListenOption
  readonly listen: Listen
}

/** The first two that surely ask for the same; of names the system alone knows which addresses they are. */
export function findClash(
  config: Pick<Config, 'listen' | 'httpListen' | 'relayListen' | 'stunListen'>,
): Clash | undefined {
  const wishes = (option: ListenOption, listens: readonly Listen[]): Wish[] =>
    listens.map((listen) => ({ option, listen }))
  return (
    clashAmong('TCP', [
      ...wishes('listen', config.listen),
      ...wishes('http-listen', config.httpListen),
      ...wishes('relay-listen', [config.relayListen]),
    ]) ?? clashAmong('UDP', wishes('stun-listen', config.stunListen))
  )
}

function clashAmong(protocol: Clash['protocol'], wishes: readonly Wish[]): Clash | undefined {
  for (const [index, wish] of wishes.entries())
    for (const earlier of wishes.slice(0, index))
      if (overlap(earlier.listen, wish.listen))
        return { options: [earlier.option, wish.option], protocol, port: wish.listen.port }
  return undefined
}

function overlap(a: Listen, b: Listen): boolean {
  // Port 0 is any free one, each time another.
  if (a.port !== b.port || a.port === 0) return false
  return sameHost(a.host, b.host) || coversHost(a.host, b.host) || coversHost(b.host, a.host)
}

function sameHost(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}

/** All interfaces are those of IPv4 too, unless they are named as `0.0.0.0`: then they are those of IPv4 only. */
function coversHost(wide: string, host: string): boolean {
  if (wide === '' || wide === '::') return true
  return wide === '0.0.0.0' && /^[\d.]+$/.test(host)
}
