/** The store on PostgreSQL: the contract, on a real server. */

import { sharedPostgres } from '../../../../test/support/postgres.ts'
import { storeContract } from '../../store/store.contract.ts'
import { openStore } from './open.ts'

const postgres = await sharedPostgres()
const skip = typeof postgres === 'string' ? postgres : false

storeContract(
  'on PostgreSQL',
  async () => {
    if (typeof postgres === 'string') throw new Error(postgres)
    const url = await postgres.createDatabase()
    return { shared: true, open: () => openStore(url), remove: () => postgres.dropDatabase(url) }
  },
  skip,
)
