import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resolveConfig } from './config.ts'
import type { Texts } from './config.ts'
import { doubtsOf } from './doubts.ts'

const https = /nothing here speaks TLS.*--tls.*--trusted-proxy/
const local = /only this machine can join.*--listen.*--url/
const rows: readonly (readonly [name: string, flags: Texts, url: string, wants: readonly RegExp[]])[] = [
  ['defaults', {}, 'http://192.0.2.1:8080', []],
  ['https without TLS', { url: 'https://sett.example' }, 'https://sett.example', [https]],
  ['https with a certificate', { url: 'https://sett.example', tls: 'a,b' }, 'https://sett.example', []],
  [
    'https behind a proxy',
    { url: 'https://sett.example', 'trusted-proxy': 'loopback', listen: '127.0.0.1:8080' },
    'https://sett.example',
    [],
  ],
  ['loopback', { listen: '127.0.0.1:8080' }, 'http://127.0.0.1:8080', [local]],
  ['loopback, IPv6', { listen: '[::1]:8080' }, 'http://[::1]:8080', [local]],
  ['localhost', { listen: 'localhost:8080' }, 'http://localhost:8080', [local]],
  [
    'loopback, with an address for clients',
    { listen: '127.0.0.1:8080', url: 'http://sett.lan' },
    'http://sett.lan',
    [],
  ],
]
for (const [name, flags, url, wants] of rows)
  test(`${name}: ${wants.length} doubts`, () => {
    const doubts = doubtsOf(resolveConfig({ flags, env: {} }, { root: false, home: '/home/anna' }), url)
    assert.equal(doubts.length, wants.length)
    for (const [i, want] of wants.entries()) assert.match(doubts[i] as string, want)
  })
