/** The pages behind a device's login link: what they say, and what strangers' words on them can't do. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import type { Wall } from '../../../base/clock.ts'
import { machineKeyOf, nodeKeyOf, shortKey } from '../../../base/keys.ts'
import type { PendingLogin, User } from '../../model/records.ts'
import { connectPage, decidedPage, UNKNOWN_LOGIN, waitingPage } from './device.ts'
import { document, policyOf, shown, STYLE } from './html.ts'
import type { Page } from './html.ts'

const login: PendingLogin = {
  code: 'K7WQ2MZX9RTB',
  machineKey: machineKeyOf(new Uint8Array(32).fill(1)),
  nodeKey: nodeKeyOf(new Uint8Array(32).fill(2)),
  created: 0 as Wall,
  expires: 900_000 as Wall,
  hostname: 'laptop',
  os: 'linux',
  from: '192.0.2.7',
  ephemeral: false,
  requestTags: [],
}
const user: User = {
  id: 1,
  loginName: 'ann@example.com',
  displayName: 'Ann',
  profilePicUrl: '',
  role: 'member',
  status: 'active',
  created: 0 as Wall,
}
const pages: readonly (readonly [string, (login: PendingLogin) => Page])[] = [
  ['for an administrator', (of) => waitingPage(of, 0 as Wall)],
  ['for whoever is logged in', (of) => connectPage(of, user, 'home', 'csrf')],
  ['of a device that is connected', (of) => decidedPage({ ...of, outcome: { kind: 'approved', tailnet: 1, user: 1 } })],
]

test('the page says who asks, and what lets it in', () => {
  const text = document(waitingPage(login, 0 as Wall)).replace(/\s+/g, ' ')
  for (const fact of ['laptop', 'linux', '192.0.2.7', shortKey(login.nodeKey), '15 more minutes'])
    assert.ok(text.includes(shown(fact)), fact)
  assert.ok(text.includes('<pre>sett admin login approve K7WQ2MZX9RTB --user NAME</pre>'))
  assert.match(document(connectPage(login, user, 'home', 'c')), /ann@example\.com.*<b>home<\/b>/s)
})

const hostile = [
  `<script>alert(1)</script>`,
  `"><img src=x onerror=alert(1)>`,
  `'\` onmouseover=alert(1) x=`,
  `</dd></dl><pre>sett admin login approve EVIL --user root</pre>`,
  `&lt;script&gt;`,
  `laptop\u202Egpj.exe`,
  `a\u0000b\u0007c`,
  `\ud800`,
  `x`.repeat(10_000),
]
for (const text of hostile)
  test(`a device that calls itself ${JSON.stringify(text.slice(0, 40))} changes nothing but a value`, () => {
    for (const [name, page] of pages)
      for (const field of ['hostname', 'os', 'from'] as const) {
        const written = document(page({ ...login, [field]: text }))
        assert.deepEqual(written.match(/<[^>]*>/g), document(page(login)).match(/<[^>]*>/g), name)
        assert.doesNotMatch(written, /\u202e|(?!\n)\p{Cc}/u)
        assert.ok(written.isWellFormed() && written.length < 8_000)
      }
    const tagged = document(waitingPage({ ...login, requestTags: [text] }, 0 as Wall))
    assert.doesNotMatch(tagged, /<script|<img|EVIL --user root<\/pre>\n<\/dd>/)
  })

test('a login that is over or decided is said to be, and offers nothing', () => {
  assert.equal(UNKNOWN_LOGIN.status, 404)
  const rows = [
    [decidedPage({ ...login, outcome: { kind: 'approved', tailnet: 1, user: 1 } }), /connected/],
    [decidedPage({ ...login, outcome: { kind: 'refused', why: 'no' } }), /refused/],
    [UNKNOWN_LOGIN, /not open any more/],
  ] as const
  for (const [page, says] of rows) {
    assert.match(document(page), says)
    assert.doesNotMatch(document(page), /sett admin login approve|<form/)
  }
})

test('the page may use its own style and nothing else', () => {
  const hash = createHash('sha256').update(STYLE).digest('base64')
  const page = waitingPage(login, 0 as Wall)
  const style = /<style>([^]*)<\/style>/.exec(document(page))?.[1] ?? ''
  assert.equal(createHash('sha256').update(style).digest('base64'), hash)
  assert.equal(
    policyOf(page, hash),
    `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  )
  assert.doesNotMatch(document(page), /<script|<form|<img|<link|style=|href=/)
  const connect = policyOf(connectPage(login, user, 'home', 'c'), hash)
  assert.match(connect, /form-action 'self'; frame-ancestors 'none'$/)
  assert.doesNotMatch(connect, /script-src/)
})
