import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isKnownDohUrl } from './dns-over-https.ts'

test('URLs are known by the letter, and personal ones by their form', () => {
  const known = [
    'https://cloudflare-dns.com/dns-query',
    'https://family.cloudflare-dns.com/dns-query',
    'https://dns.google/dns-query',
    'https://dns11.quad9.net/dns-query',
    'https://adblock.dns.mullvad.net/dns-query',
    'https://freedns.controld.com/p2',
    'https://dns.controld.com/abcd1234',
    'https://dns.nextdns.io/abc123',
    'https://dns.nextdns.io/abc123/Office%20router',
    'https://dns.nextdns.io/abc123?x=y',
  ]
  const unknown = [
    '',
    'https://dns.google',
    'https://dns.google/dns-query/',
    'http://dns.google/dns-query',
    'https://dns.google.evil.example/dns-query',
    'https://dns.nextdns.io/',
    'https://dns.nextdns.io/abc',
    'https://dns.nextdns.io/xyz1',
    'https://dns.nextdns.io/abc123 x',
    `https://dns.nextdns.io/${'ab'.repeat(13)}`,
    'https://dns.controld.com/',
    'https://doh.example/dns-query',
  ]
  for (const url of known) assert.ok(isKnownDohUrl(url), url)
  for (const url of unknown) assert.ok(!isKnownDohUrl(url), url)
})
