/** Who sees whom in a simulated tailnet, and the policy by which they do. */

export interface Sight {
  /** As the API takes it; absent: the one that a server begins with. */
  readonly policy?: object
  /** The tag by whose key a node joins; `undefined`: it is its user's. */
  tagOf(index: number): string | undefined
  sees(a: number, b: number): boolean
}

export const EVERYBODY: Sight = { tagOf: () => undefined, sees: () => true }

/** How many tags there are, besides the one that everybody may reach. */
export const TAGS = 20
const SERVICE = 'tag:service'
/** One of so many offers a service. */
const SERVICE_EVERY = 50

/** Nodes with the same tag see each other, and everybody sees those that offer a service. */
export function byTag(): Sight {
  const tags = Array.from({ length: TAGS }, (_, n) => `tag:t${n}`)
  const tagOf = (index: number): string =>
    index % SERVICE_EVERY === SERVICE_EVERY - 1 ? SERVICE : (tags[index % TAGS] as string)
  return {
    policy: {
      tagOwners: Object.fromEntries([...tags, SERVICE].map((tag) => [tag, []])),
      grants: [
        ...[...tags, SERVICE].map((tag) => ({ src: [tag], dst: [tag], ip: ['*'] })),
        { src: tags, dst: [SERVICE], ip: ['tcp:443'] },
      ],
    },
    tagOf,
    sees: (a, b) => tagOf(a) === tagOf(b) || tagOf(a) === SERVICE || tagOf(b) === SERVICE,
  }
}
