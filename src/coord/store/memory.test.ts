/** The store in memory keeps the contract. */

import { MemoryDatabase, MemoryStore } from './memory.ts'
import { storeContract } from './store.contract.ts'

storeContract('in memory', async () => {
  const database = new MemoryDatabase()
  return { shared: true, open: async () => new MemoryStore(database), remove: async () => {} }
})
