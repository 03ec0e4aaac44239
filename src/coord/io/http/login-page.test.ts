import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createHash } from 'node:crypto'
import type { Wall } from '../../../base/clock.ts'
import { machineKeyOf, nodeKeyOf, shortKey } from '../../../base/keys.ts'
import type { PendingLogin } from '../../model/records.ts'
import { codeInPath, escapeHtml, loginPage, PAGE_HEADERS } from './login-page.ts'

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

test('the page says who asks and what lets it in', () => {
  const { status, html } = loginPage(login, 0)
  assert.equal(status, 200)
  for (const fact of ['laptop', 'linux', '192.0.2.7', shortKey(login.nodeKey), '15 more minutes']) {
    assert.ok(html.includes(escapeHtml(fact)), fact)
  }
  assert.ok(html.includes('<pre>sett admin login approve K7WQ2MZX9RTB --user NAME</pre>'))
})

const hostile = [
  `<script>alert(1)</script>`,
  `"><img src=x onerror=alert(1)>`,
  `'\` onmouseover=alert(1) x=`,
  `</dd></dl><pre>sett admin login approve EVIL --user root</pre>`,
  `&lt;script&gt;`,
  `laptop\u202Egpj.exe`,
  `a\u0000b\u0007c`,
  `x`.repeat(10_000),
]
for (const text of hostile) {
  test(`a device that calls itself ${JSON.stringify(text.slice(0, 40))} changes nothing but a value`, () => {
    for (const field of ['hostname', 'os', 'from'] as const) {
      const { html } = loginPage({ ...login, [field]: text }, 0)
      const tags = html.match(/<[^>]*>/g)
      assert.deepEqual(tags, loginPage(login, 0).html.match(/<[^>]*>/g))
      assert.doesNotMatch(html, /\u202e|(?!\n)\p{Cc}/u)
      assert.ok(html.length < 6_000)
    }
    const tagged = loginPage({ ...login, requestTags: [text], code: text }, 0).html
    assert.doesNotMatch(tagged, /<script|<img|EVIL --user root<\/pre>\n<\/dd>/)
  })
}

const states = [
  { name: 'no such code', login: undefined, status: 404, says: /not open any more/ },
  { name: 'one whose time is over', login: { ...login, expires: -1 as Wall }, status: 404, says: /not open any more/ },
  {
    name: 'an approved one',
    login: { ...login, outcome: { kind: 'approved', tailnet: 1, user: 1 } as const },
    status: 200,
    says: /approved/,
  },
  {
    name: 'a refused one',
    login: { ...login, outcome: { kind: 'refused', why: 'no' } as const },
    status: 200,
    says: /refused/,
  },
]
for (const { name, login, status, says } of states) {
  test(`the page for ${name}`, () => {
    const page = loginPage(login, 0)
    assert.equal(page.status, status)
    assert.match(page.html, says)
    assert.doesNotMatch(page.html, /sett admin login approve/)
  })
}

test('the page may use its own style and nothing else', () => {
  const policy = PAGE_HEADERS['content-security-policy'] ?? ''
  const style = /<style>([^]*)<\/style>/.exec(loginPage(login, 0).html)?.[1] ?? ''
  assert.ok(
    policy.startsWith(`default-src 'none'; style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`),
  )
  assert.ok(policy.includes("form-action 'none'") && policy.includes("frame-ancestors 'none'"))
  assert.doesNotMatch(loginPage(login, 0).html, /<script|<form|<img|<link|style=|href=/)
})

const paths = [
  ['/login/K7WQ2MZX9RTB', 'K7WQ2MZX9RTB'],
  ['/login/', undefined],
  ['/login/short', undefined],
  ['/login/K7WQ2MZX9RTB/', undefined],
  ['/login/K7WQ2MZX%00', undefined],
  ['/login/' + 'A'.repeat(65), undefined],
  ['/logout/K7WQ2MZX9RTB', undefined],
] as const
for (const [path, want] of paths) test(`the code in ${path.slice(0, 30)}`, () => assert.equal(codeInPath(path), want))
