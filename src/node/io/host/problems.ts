/** What of a plan could not be carried out, in words that say what follows and what to do: health warnings in the making. */

export type HostProblemCode =
  /** There is no nft, so no firewall rules. */
  | 'firewall-missing'
  /** The kernel or another program refused some of the rules. */
  | 'firewall-refused'
  /** Another firewall may drop what belongs to the tunnel, and can't be asked to let it through. */
  | 'firewall-locked'
  /** An address, route or rule was refused. */
  | 'route-refused'
  /** It is there already, and not ours. */
  | 'route-foreign'
  | 'setting-refused'
  | 'ipv6-off'
  /** Routes are advertised that the kernel doesn't forward to. (node.md §4.7) */
  | 'ip-forwarding-off'
  /** The journal of an earlier run can't be read. */
  | 'journal-unreadable'
  /** What is changed is known in memory only. */
  | 'journal-unwritable'

export interface HostProblem {
  readonly code: HostProblemCode
  readonly text: string
}
