/**
 * Identity providers as a program, for browsers in a namespace that nothing else reaches: an OpenID provider with two
 * people, on a port that it is told.
 *
 *   node test/browser/providers.ts PORT REDIRECT-URI
 */

import { standOpenId } from '../support/identity/openid.ts'

const [port = '0', redirectUri = ''] = process.argv.slice(2)
const { url, clientId, clientSecret } = await standOpenId({
  redirectUri,
  port: Number(port),
  people: {
    anna: { email: 'anna@example.com', email_verified: true, name: 'Anna' },
    ben: { email: 'ben@example.com', email_verified: true, name: 'Ben' },
  },
})
console.log(`ready ${JSON.stringify({ issuer: url, clientId, clientSecret })}`)
