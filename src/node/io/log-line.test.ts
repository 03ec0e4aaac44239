import assert from 'node:assert/strict'
import { test } from 'node:test'
import { onOneLine } from './log-line.ts'

test('nothing that is quoted begins a line, or moves a cursor', () => {
  const rows = [
    ['control: joined, online', 'control: joined, online'],
    ['grüße, 世界 🙂', 'grüße, 世界 🙂'],
    ['a\u001b[31mb\r\nfake', 'a\\u{1b}[31mb\\u{d}\\nfake'],
    ['a\u009bc\u2028d\u202ee\u{e0041}', 'a\\u{9b}c\\u{2028}d\\u{202e}e\\u{e0041}'],
  ] as const
  for (const [text, want] of rows) assert.equal(onOneLine(text), want)
})
