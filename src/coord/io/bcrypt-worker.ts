/** The thread that computes bcrypt: one comparison takes some 50 ms. Started by bcrypt.ts; answers in order. */

import { compareSync } from 'bcryptjs'
import { parentPort } from 'node:worker_threads'
import { MeshError } from '../../base/errors.ts'

export interface Comparison {
  readonly secret: string
  readonly hash: string
}

if (parentPort === null) throw new MeshError('internal', 'Cannot run the bcrypt thread: it is not a thread')
const port = parentPort

port.on('message', ({ secret, hash }: Comparison) => {
  let matches = false
  try {
    // It compares the whole of both hashes, wherever they differ.
    matches = compareSync(secret, hash)
  } catch {
    // A hash that is none fits nothing.
  }
  port.postMessage(matches)
})
