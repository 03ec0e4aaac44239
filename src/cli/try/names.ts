/** What the machines of a try are called, and their addresses on the cable between them. */

/** One each of the alphabet, as far as it is needed. */
const NAMES =
  'anna ben clara david emma felix greta henry ida jonas klara leo mia noah olga paul quinn rosa simon tilda'.split(' ')

export const NODES_MOST = NAMES.length

export const SERVER_NAME = 'server'
export const BITS = 24
/** A private network, as in a home; nothing of it is seen outside. */
export const SERVER_ADDRESS = '192.168.77.1'
export const SERVER_URL = `http://${SERVER_ADDRESS}:8080`

export interface MachineName {
  readonly name: string
  /** On the cable, not in the tailnet. */
  readonly address: string
}

/** @param count 1 to `NODES_MOST` */
export function nodeNames(count: number): readonly MachineName[] {
  return NAMES.slice(0, count).map((name, at) => ({ name, address: `192.168.77.${10 + at}` }))
}
