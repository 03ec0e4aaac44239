/** Advisory 1 on SQLite, with a real server and 32 connections. */

import { Coord } from './coord.ts'
import { oneOffKeyContract } from './one-off-key.ts'

oneOffKeyContract('on SQLite', async () => [await Coord.start()], false)
