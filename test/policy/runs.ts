/** How much the property tests of the policy do: little every time, more where somebody has set `SETT_POLICY_RUNS`. */

const RUNS = process.env['SETT_POLICY_RUNS']
const SEED = process.env['SETT_POLICY_SEED']

/** Parameters of a property; `usual`: how many cases the ordinary tests try. A failure prints its seed. */
export function runs(usual: number): { numRuns: number; seed?: number } {
  return { numRuns: RUNS === undefined ? usual : Number(RUNS), ...(SEED === undefined ? {} : { seed: Number(SEED) }) }
}

/** So many cases that every kind of case must have been among them; with few, chance may leave one out. */
export const IS_THOROUGH = RUNS !== undefined && Number(RUNS) >= 1000
