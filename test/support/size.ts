/** How much a test does: a sample in `npm test`, all of it in the proof, which sets `SETT_FULL_SIZE`. */

const IS_FULL_SIZE = process.env['SETT_FULL_SIZE'] === '1'

/** Of something a test does more or less of, what this run takes. */
export function sized(sample: number, full: number): number {
  return IS_FULL_SIZE ? full : sample
}
