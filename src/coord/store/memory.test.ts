/** The store in memory keeps the contract. */

import { MemoryStore } from './memory.ts'
import { storeContract } from './store.contract.ts'
import { memoryDatabase } from '../../../test/support/ledger.ts'

storeContract('in memory', async () => {
  const database = memoryDatabase()
  return { shared: true, open: async () => new MemoryStore(database), remove: async () => {} }
})
