/** wireguard-go as a peer to compare with: built from its Go module into a cache, once, and set up over its own socket. */

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const MODULE = 'golang.zx2c4.com/wireguard'
const VERSION = 'v0.0.0-20260522210424-ecfc5a8d5446'

/** The program, built if it is not there yet; `undefined`, with a word why, where it can't be. */
export async function wireguardGo(): Promise<string | undefined> {
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'sett', 'bench')
  const program = join(cache, `wireguard-go-${VERSION}-${process.arch}`)
  if (existsSync(program)) return program
  const folder = join(cache, `building-${process.pid}`)
  try {
    await mkdir(folder, { recursive: true })
    console.error('building wireguard-go; the first time takes a minute')
    const env = { ...process.env, GOBIN: folder, GOFLAGS: '' }
    await run('nice', ['go', 'install', '-trimpath', `${MODULE}@${VERSION}`], { env, maxBuffer: 16 << 20 })
    await rename(join(folder, 'wireguard'), program)
    return program
  } catch (error) {
    console.error(`wireguard-go is left out: ${(error as Error).message.split('\n', 1)[0]}`)
    return undefined
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Speaks its configuration protocol: lines of `key=value`, answered by `errno=0`. Its socket is named after the device. */
export async function configure(device: string, lines: readonly string[]): Promise<void> {
  const socket = connect(`/var/run/wireguard/${device}.sock`)
  socket.end(`set=1\n${lines.join('\n')}\n\n`)
  let answer = ''
  for await (const chunk of socket) answer += String(chunk)
  if (!/^errno=0$/m.test(answer)) throw new Error(`wireguard-go refused its configuration: ${answer.trim()}`)
}
