/**
 * Threads for pumps. One may be started before it is wanted: that takes a quarter of a second, which a daemon that
 * starts, or whose owner logs in, would wait for. What it then does is worker.ts.
 */

import { Worker } from 'node:worker_threads'

let ready: Worker | undefined

/** Has a thread stand by for the next pump. It does not keep the process alive. */
export function prepareThread(): void {
  if (ready !== undefined) return
  const worker = startThread()
  worker.unref()
  // Whatever is wrong with it is wrong with the next, whose failure is told.
  worker.once('error', () => (ready = undefined))
  worker.once('exit', () => (ready = undefined))
  ready = worker
}

/** The thread that stands by, or a new one. It waits for its `WorkerStart` as its first message. */
export function takeThread(): Worker {
  const worker = ready ?? startThread()
  ready = undefined
  worker.removeAllListeners('error').removeAllListeners('exit').ref()
  return worker
}

function startThread(): Worker {
  // With this module's own ending, since the built package has .js files.
  return new Worker(new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url))
}
