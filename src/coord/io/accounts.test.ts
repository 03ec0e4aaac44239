/** Whose hand it is that uses the server's socket. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accountActor } from '../model/actors.ts'
import { accountOf } from './accounts.ts'

const PASSWD =
  'root:x:0:0:root:/root:/bin/bash\nsett:x:990:990::/var/lib/sett:/bin/false\nann:x:1000:1000::/home/ann:/bin/sh\n'

const rows = [
  { name: 'root itself', uid: 0, loginuid: '0', want: ['unix:0', 'root@box', "root@box (server's socket)"] },
  {
    name: 'somebody through sudo',
    uid: 0,
    loginuid: '1000',
    want: ['unix:1000', 'ann@box', "ann@box (server's socket, as root)"],
  },
  {
    name: 'root where nobody logged in',
    uid: 0,
    loginuid: '4294967295',
    want: ['unix:0', 'root@box', "root@box (server's socket)"],
  },
  {
    name: 'a system without login uids',
    uid: 990,
    loginuid: undefined,
    want: ['unix:990', 'sett@box', "sett@box (server's socket)"],
  },
  {
    name: 'an account of a directory service',
    uid: 0,
    loginuid: '70000',
    want: ['unix:70000', 'uid-70000@box', "uid-70000@box (server's socket, as root)"],
  },
  {
    name: 'a login uid that is none',
    uid: 0,
    loginuid: 'x',
    want: ['unix:0', 'root@box', "root@box (server's socket)"],
  },
] as const

test('the log names who logged in, and the account where nobody did', () => {
  for (const { name, uid, loginuid, want } of rows) {
    const read = (path: string) =>
      path === '/etc/passwd' ? PASSWD : path === '/proc/7/loginuid' ? loginuid : undefined
    const { id, type, loginName, displayName } = accountActor(accountOf({ uid, pid: 7 }, { read, host: 'box' }))
    assert.deepEqual([id, loginName, displayName], want, name)
    assert.equal(type, 'USER')
  }
})

test('this process has an account here', () => {
  const uid = process.getuid?.() ?? 0
  assert.equal(accountOf({ uid, pid: process.pid }).uid, uid)
})
