/** Host names and full names: golden vectors, and properties of whatever a machine calls itself. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { anyText } from '../../test/support/any-text.ts'
import { golden } from '../../test/support/golden.ts'
import type { GoldenCase } from '../../test/support/golden.ts'
import {
  countLabels,
  firstLabel,
  fqdnContains,
  hasDnsSuffix,
  isServiceName,
  isTag,
  isValidHostname,
  isValidLabel,
  parentOf,
  sanitizeHostname,
  sanitizeLabel,
  toFqdn,
  trimCommonSuffixes,
  trimDnsSuffix,
  withoutDot,
} from './dns-name.ts'
import type { Fqdn } from './dns-name.ts'

type Verdict = 'accept' | 'reject'
const verdict = (yes: boolean): Verdict => (yes ? 'accept' : 'reject')

interface NameCase extends GoldenCase {
  readonly text: string
  readonly sanitized_hostname: string
  readonly sanitized_label: string
  readonly common_suffix_trimmed: string
  readonly valid_label: Verdict
  readonly valid_hostname: Verdict
  readonly first_label: string
  readonly fqdn_ok: Verdict
  readonly fqdn?: string
  readonly fqdn_labels?: number
  readonly parent?: string
}

for (const c of golden<NameCase>('dnsname.json', 'name')) {
  test(`golden: ${c.name}`, () => {
    const fqdn = toFqdn(c.text)
    assert.deepEqual(
      {
        sanitized_hostname: sanitizeHostname(c.text),
        sanitized_label: sanitizeLabel(c.text),
        common_suffix_trimmed: trimCommonSuffixes(c.text),
        valid_label: verdict(isValidLabel(c.text)),
        valid_hostname: verdict(isValidHostname(c.text)),
        first_label: firstLabel(c.text),
        fqdn_ok: verdict(fqdn !== undefined),
        fqdn,
        fqdn_labels: fqdn && countLabels(fqdn),
        parent: fqdn && (parentOf(fqdn) ?? ''),
      },
      {
        sanitized_hostname: c.sanitized_hostname,
        sanitized_label: c.sanitized_label,
        common_suffix_trimmed: c.common_suffix_trimmed,
        valid_label: c.valid_label,
        valid_hostname: c.valid_hostname,
        first_label: c.first_label,
        fqdn_ok: c.fqdn_ok,
        fqdn: c.fqdn,
        fqdn_labels: c.fqdn_labels,
        parent: c.parent,
      },
    )
  })
}

interface FqdnCase extends GoldenCase {
  readonly text: string
  readonly valid_hostname: Verdict
  readonly fqdn?: string
  readonly without_dot?: string
  readonly labels?: number
  readonly parent?: string
}

for (const c of golden<FqdnCase>('dnsname.json', 'fqdn')) {
  test(`golden: ${c.name}`, () => {
    const fqdn = toFqdn(c.text)
    assert.equal(verdict(fqdn !== undefined), c.expect)
    assert.equal(verdict(isValidHostname(c.text)), c.valid_hostname)
    if (fqdn === undefined) return
    assert.deepEqual(
      [fqdn, withoutDot(fqdn), countLabels(fqdn), parentOf(fqdn) ?? ''],
      [c.fqdn, c.without_dot, c.labels, c.parent],
    )
  })
}

interface ContainsCase extends GoldenCase {
  readonly outer: Fqdn
  readonly inner: Fqdn
  readonly yes: boolean
}
for (const c of golden<ContainsCase>('dnsname.json', 'contains')) {
  test(`golden: ${c.name}`, () => assert.equal(fqdnContains(c.outer, c.inner), c.yes))
}

interface SuffixCase extends GoldenCase {
  readonly text: string
  readonly suffix: string
  readonly has: boolean
  readonly trimmed: string
}
for (const c of golden<SuffixCase>('dnsname.json', 'suffix')) {
  test(`golden: ${c.name}`, () => {
    assert.deepEqual([hasDnsSuffix(c.text, c.suffix), trimDnsSuffix(c.text, c.suffix)], [c.has, c.trimmed])
  })
}

const tags = [
  { text: 'tag:server', is: true },
  { text: 'tag:a', is: true },
  { text: 'tag:Web-1', is: true },
  { text: 'tag:', is: false },
  { text: 'tag:1a', is: false },
  { text: 'tag:-a', is: false },
  { text: 'tag:a_b', is: false },
  { text: 'tag:a\n', is: false },
  { text: 'server', is: false },
  { text: 'TAG:a', is: false },
]
for (const t of tags)
  test(`${JSON.stringify(t.text)} is${t.is ? '' : ' not'} a tag`, () => assert.equal(isTag(t.text), t.is))

const services = [
  { text: 'svc:db', is: true },
  { text: 'svc:', is: false },
  { text: 'svc:-db', is: false },
  { text: 'svc:a.b', is: false },
  { text: 'db', is: false },
]
for (const s of services)
  test(`${s.text} is${s.is ? '' : ' not'} a service`, () => assert.equal(isServiceName(s.text), s.is))

test('whatever a machine calls itself, a valid label or nothing is left, and it stays as it is', () => {
  const hostname = fc.oneof(anyText({ maxLength: 100 }), fc.stringMatching(/^[-a-zA-Z0-9_. ]{0,90}$/))
  fc.assert(
    fc.property(hostname, (text) => {
      for (const label of [sanitizeHostname(text), sanitizeLabel(text)]) {
        assert.ok(label === '' || isValidLabel(label), label)
        assert.equal(sanitizeLabel(label), label)
      }
    }),
  )
})

test('a fully qualified name stays as it is, and lies under its parent', () => {
  fc.assert(
    fc.property(fc.oneof(fc.domain(), anyText()), (text) => {
      const name = toFqdn(text)
      if (name === undefined) return
      assert.equal(toFqdn(name), name)
      const parent = parentOf(name)
      if (parent !== undefined) assert.ok(fqdnContains(parent, name) && countLabels(parent) === countLabels(name) - 1)
    }),
  )
})
