/** The DERP map as clients read it: regions of relays, by number. (control.md §9, derp.md §7) */

export interface DerpNode {
  readonly Name: string
  readonly RegionID: number
  readonly HostName: string
  /** Certificate name to expect, or `sha256-raw:` and the SHA-256 of a self-signed leaf. */
  readonly CertName?: string
  readonly IPv4?: string
  readonly IPv6?: string
  readonly STUNPort?: number
  readonly STUNOnly?: boolean
  readonly DERPPort?: number
  readonly CanPort80?: boolean
}

export interface DerpRegion {
  readonly RegionID: number
  readonly RegionCode: string
  readonly RegionName: string
  readonly Nodes: readonly DerpNode[]
}

export interface DerpMap {
  /** Factors on the latency that clients measure, by region: above 1 a region is chosen as home less readily. */
  readonly HomeParams?: { readonly RegionScore: { readonly [id: string]: number } }
  readonly Regions: { readonly [id: string]: DerpRegion }
}

/** 900 to 999 are for regions of one's own. */
export const EMBEDDED_REGION = 900
/** The same relay once more, with the other STUN port. */
export const SECOND_STUN_REGION = 901
