/**
 * The OpenID provider of tests as a process of its own, for a server in a namespace: says where it stands in a line of
 * JSON, and stands there until it is ended.
 *
 *   node stand-openid.ts REDIRECT-URI LOGIN…
 */
import { standOpenId } from '../../support/identity/openid.ts'

const [redirectUri = '', ...logins] = process.argv.slice(2)
const people = Object.fromEntries(
  logins.map((login) => [login, { email: `${login}@example.com`, email_verified: true }]),
)
const { url, clientId, clientSecret } = await standOpenId({ redirectUri, people })
process.stdout.write(`${JSON.stringify({ issuer: url, clientId, clientSecret })}\n`)
