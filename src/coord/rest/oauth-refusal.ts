/** Refusals of the routes that give out access tokens. */

import { refuse } from './answer.ts'
import type { Refusal } from './answer.ts'

type OauthError = 'invalid_request' | 'invalid_client' | 'invalid_grant' | 'unsupported_grant_type' | 'invalid_scope'

/** In the words of RFC 6749 §5.2, with a `message` for clients that know the rest of the API. */
export function oauthRefusal(status: Refusal['status'], error: OauthError, message: string): Refusal {
  return refuse(status, message, { error, error_description: message })
}
