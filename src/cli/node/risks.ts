/** What may cut off who asks for it is done after they agree, or say beforehand that they do. */

import { isTailscaleAddress } from '../../base/address-plan.ts'
import { MeshError } from '../../base/errors.ts'
import { parseIp } from '../../base/ip.ts'
import { text } from './flags.ts'
import type { Surroundings } from './surroundings.ts'

const RISKS = ['lose-ssh', 'mac-app-connector', 'all'] as const
export type Risk = Exclude<(typeof RISKS)[number], 'all'>

export const acceptRisk = text(`accept risk and skip confirmation for risk types: ${RISKS.join(',')}`)

/** Does this session reach the machine over the tailnet? */
export function isSshFromTailnet(at: Surroundings): boolean {
  const [from, rest] = at.sshClient().split(' ', 2)
  const ip = rest === undefined ? undefined : parseIp(from ?? '')
  return ip !== undefined && isTailscaleAddress(ip)
}

/** @throws MeshError `input/invalid` when the user does not agree, or is not there to be asked */
export async function takeRisk(at: Surroundings, risk: Risk, words: string, accepted: string): Promise<void> {
  if (accepted.split(',').some((word) => word === risk || word === 'all')) return
  at.out.write(`${words}\nTo skip this warning, use --accept-risk=${risk}\n`)
  if (at.isTerminal.inOut) {
    at.out.write('Continue? [y/N] ')
    if (['y', 'yes', 'sure'].includes((await at.readLine()).trim().toLowerCase())) return
  }
  throw new MeshError('input/invalid', 'aborted, no changes made')
}

/** Turning the node's own SSH server on or off moves sessions that came over the tailnet. */
export async function takeSshRisk(
  at: Surroundings,
  { wanted, had }: { readonly wanted: boolean; readonly had: boolean },
  accepted: string,
): Promise<void> {
  if (wanted === had || !isSshFromTailnet(at)) return
  const words = wanted
    ? 'You are connected over Tailscale; this action will reroute SSH traffic to Tailscale SSH and will result in your session disconnecting.'
    : 'You are connected using Tailscale SSH; this action will result in your session disconnecting.'
  await takeRisk(at, 'lose-ssh', words, accepted)
}
