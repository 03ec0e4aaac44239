/** Keeps documents true where a machine can: the tests they name, the files they quote, the links they have. */

import { test } from 'node:test'
import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ROOT } from './suites.ts'

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8')
const documents = ['README.md', 'CHANGELOG.md', ...globSync('docs/*.md', { cwd: ROOT }).sort()]

/** Does a source have a test of this name, as it stands or made from a template? */
function hasTest(source: string, name: string): boolean {
  // Sources write an apostrophe in a text as they must.
  const plain = source.replaceAll("\\'", "'")
  if (plain.includes(name)) return true
  const templates = [...plain.matchAll(/`([^`]*\$\{[^`]*)`/g)].map((m) => m[1] as string)
  return templates.some((template) => {
    const fixed = template.split(/\$\{(?:[^{}]|\{[^}]*\})*\}/)
    if (fixed.join('').trim().length < 8) return false
    return new RegExp(`^${fixed.map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`, 's').test(
      name,
    )
  })
}

for (const document of ['docs/advisories.md', 'docs/threat-model.md'])
  test(`${document} names tests that exist`, () => {
    const missing: string[] = []
    const lines = [...read(document).matchAll(/^- `([^`]+\.ts)`(?:, [^:]+)?: (.+)$/gm)]
    assert.ok(lines.length > 10, `${lines.length} tests named`)
    for (const [, file, text] of lines as unknown as [string, string, string][]) {
      if (!existsSync(join(ROOT, file))) {
        missing.push(`${file} does not exist`)
        continue
      }
      // A remark may follow the name in parentheses.
      const wanted = [text, text.replace(/ \([^()]*\)$/, '')].map((name) => name.replaceAll('`', ''))
      if (!wanted.some((name) => hasTest(read(file), name))) missing.push(`${file}: ${text}`)
    }
    assert.deepEqual(missing, [])
  })

test('the proxy settings that the document quotes are those that the tests run', () => {
  const text = read('docs/behind-a-proxy.md')
  for (const file of ['nginx.conf', 'haproxy.cfg', 'Caddyfile'])
    assert.ok(text.includes(read(`docs/proxy/${file}`).trim()), `docs/proxy/${file} is quoted as it is`)
})

test('links between documents lead somewhere', () => {
  const broken: string[] = []
  for (const document of documents)
    for (const [, target] of read(document).matchAll(/\]\((?!https?:)([^)#\s]+)(?:#[^)]*)?\)/g))
      if (!existsSync(join(ROOT, dirname(document), target as string))) broken.push(`${document} -> ${target}`)
  assert.deepEqual(
    broken.filter((link) => !link.endsWith('proof.md')),
    [],
  )
})

test('the README has its commands', () => {
  assert.match(read('README.md'), /npm ci && npm start/)
  assert.match(read('README.md'), /npm ci && npm run try/)
  assert.match(read('README.md'), /npm ci && npm test/)
})
