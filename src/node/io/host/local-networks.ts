/** The networks that this machine is plugged into, and which device leads to the rest of the world. Changes nothing. */

import { existsSync, readdirSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { later } from '../../../base/clock.ts'
import type { Mono } from '../../../base/clock.ts'
import type { LocalNetwork } from '../../routes/os-routes.ts'
import { ipJson } from './run.ts'

export interface LocalAddress extends LocalNetwork {
  readonly device: string
  readonly address: string
}

export interface DefaultDevices {
  readonly ipv4?: string
  readonly ipv6?: string
}

/**
 * Addresses of devices that are up, but for the tunnel's.
 *
 * @param tunnel name of the TUN device
 * @param sys where the kernel shows its devices
 */
export function localAddresses(tunnel: string, sys = '/sys/class/net'): LocalAddress[] {
  const found: LocalAddress[] = []
  for (const [device, addresses] of Object.entries(networkInterfaces())) {
    if (device === tunnel) continue
    for (const { address, cidr, internal } of addresses ?? [])
      if (cidr !== null)
        found.push({ device, address, prefix: cidr, isInternal: internal || isInnerSwitch(device, sys) })
  }
  return found
}

/**
 * The same, looked up when it may be another: a large tailnet tells of peers many times a second, and the kernel takes
 * most of a millisecond to say what it has.
 */
export class LocalAddresses {
  readonly #tunnel: string
  readonly #mono: () => Mono
  #found: readonly LocalAddress[] = []
  #until = -Infinity as Mono

  /** @param tunnel name of the TUN device */
  constructor(tunnel: string, mono: () => Mono) {
    this.#tunnel = tunnel
    this.#mono = mono
  }

  get all(): readonly LocalAddress[] {
    const now = this.#mono()
    if (now >= this.#until) {
      this.#found = localAddresses(this.#tunnel)
      this.#until = later(now, LOOK_MS)
    }
    return this.#found
  }

  /** The network has changed. */
  forget(): void {
    this.#until = -Infinity as Mono
  }
}

/** Whoever tells of changes may be late, or not there. */
const LOOK_MS = 1000

/** A switch that has no port to the outside: what virtual machines and containers are plugged into. */
export function isInnerSwitch(device: string, sys = '/sys/class/net'): boolean {
  if (!existsSync(`${sys}/${device}/bridge`)) return false
  let ports: string[]
  try {
    ports = readdirSync(`${sys}/${device}/brif`)
  } catch {
    return false
  }
  // Virtual cables and taps have no hardware; a VLAN or a bond is told by what it stands on.
  return ports.every((port) => {
    if (existsSync(`${sys}/${port}/device`)) return false
    const files = existsSync(`${sys}/${port}`) ? readdirSync(`${sys}/${port}`) : []
    return !files.some((file) => file.startsWith('lower_') || file === 'bonding')
  })
}

/** Devices of the default routes that are tried first, where there are any. */
export async function defaultDevices(): Promise<DefaultDevices> {
  const [four, six] = await Promise.all([
    ipJson('-4', 'route', 'show', 'default'),
    ipJson('-6', 'route', 'show', 'default'),
  ])
  const [ipv4, ipv6] = [four, six].map(firstDevice)
  return { ...(ipv4 === undefined ? {} : { ipv4 }), ...(ipv6 === undefined ? {} : { ipv6 }) }
}

function firstDevice(routes: readonly Record<string, unknown>[]): string | undefined {
  const metricOf = ({ metric }: Record<string, unknown>): number => (typeof metric === 'number' ? metric : 0)
  const usable = routes.filter(({ dev, type }) => typeof dev === 'string' && type === undefined)
  const [first] = usable.sort((a, b) => metricOf(a) - metricOf(b))
  return first?.['dev'] as string | undefined
}
