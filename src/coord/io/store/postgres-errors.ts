/** Turns what PostgreSQL or the way to it says into an error that tells an administrator what to do. */

import { MeshError } from '../../../base/errors.ts'

/** The five characters of a server's error (postgresql.org/docs, appendix A), or `undefined` when it is not one. */
export function sqlState(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && 'severity' in (error as object) ? code : undefined
}

/** Serialization failure, deadlock, too many connections, the server going down, gone or coming up. */
const PASSING = ['40001', '40P01', '53300', '57P01', '57P02', '57P03']

/**
 * Is it worth another try, given that nothing was committed? Errors without a state come from the connection, unless
 * they are our own.
 */
export function isPassing(error: unknown): boolean {
  const state = sqlState(error)
  if (state !== undefined) return PASSING.includes(state) || state.startsWith('08')
  return error instanceof Error && !(error instanceof MeshError || error instanceof TypeError)
}

/** @param doing what was attempted, to follow "Cannot", such as `write to PostgreSQL`. */
export function explainPostgres(doing: string, error: unknown): MeshError {
  if (error instanceof MeshError) return error
  const fact = error instanceof Error ? error.message || (error as { code?: string }).code : String(error)
  const say = (code: MeshError['code'], why: string) => new MeshError(code, `Cannot ${doing}: ${why}`, { cause: error })
  const state = sqlState(error)
  if (state === undefined && error instanceof TypeError) return say('internal', error.message)
  switch (state) {
    case undefined:
      return say(
        'store/unavailable',
        `the connection failed (${fact}); is PostgreSQL running, and reachable from here?`,
      )
    case '28000':
    case '28P01':
      return say('config/invalid', `PostgreSQL does not let this user in (${fact}); check name and password in the URL`)
    case '3D000':
      return say('config/invalid', `${fact}; create it, or correct the name in the URL`)
    case '42501':
      return say('config/invalid', `${fact}; Sett's user must be able to create a schema "sett" and own it`)
    case '25006':
      return say('config/invalid', `it is read-only (${fact}); point the URL at the primary server`)
    case '53100':
      return say('store/full', `PostgreSQL's disk is full (${fact}); make room`)
    case '53300':
      return say('store/unavailable', `PostgreSQL has no connection left (${fact}); raise max_connections`)
    case '55P03':
    case '57014':
      return say('store/unavailable', `it took too long (${fact})`)
    case 'XX001':
    case 'XX002':
      return say('store/corrupt', `PostgreSQL finds its data damaged (${fact}); restore a backup`)
    case '42P01':
    case '42703':
    case '3F000':
      return say('store/schema', `the tables are not as Sett left them (${fact}); restore a backup`)
    default:
      return say('store/unavailable', `${fact} (${state})`)
  }
}
