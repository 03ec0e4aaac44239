/** The two clocks, as this process has them. */

import { performance } from 'node:perf_hooks'
import type { Mono, Wall } from '../../base/clock.ts'

export const mono = (): Mono => performance.now() as Mono
export const wall = (): Wall => Date.now() as Wall
