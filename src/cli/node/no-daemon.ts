/** There is no daemon behind the socket: what to say about it. */

import { MeshError } from '../../base/errors.ts'

/** As the system puts it. */
const SYSTEM_WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  ECONNREFUSED: 'connection refused',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  ENOTSOCK: 'socket operation on non-socket',
}

export class NoDaemon extends MeshError {
  /** What the verbs say that most people begin with. */
  readonly plainly: string

  constructor(socket: string, path: string, cause: NodeJS.ErrnoException) {
    const code = cause.code ?? ''
    const said = SYSTEM_WORDS[code] ?? cause.message
    const denied = code === 'EACCES' || code === 'EPERM'
    const hint = denied ? 'no permission to use its socket.' : 'not running?'
    super(
      'api/unreachable',
      `Failed to connect to local settd for ${path.split('?', 1)[0]}; ${hint} Error: dial unix ${socket}: connect: ${said}`,
      { cause },
    )
    this.plainly = denied
      ? `failed to connect to local settd at ${socket}: ${said}; try it with sudo`
      : `failed to connect to local settd; it doesn't appear to be running at ${socket} (sudo systemctl start settd ?)`
  }
}

/** Does something with the daemon, and says plainly when there is none. */
export async function plainly<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked
  } catch (error) {
    if (error instanceof NoDaemon) throw new MeshError('api/unreachable', error.plainly, { cause: error })
    throw error
  }
}
