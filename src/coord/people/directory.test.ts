/** Whom a provider's directory made a user beforehand, and who may come as them. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PeopleWorld } from '../../../test/support/people-world.ts'
import { groupsOf } from '../model/groups.ts'
import type { DirectoryUser, Provider, User } from '../model/records.ts'
import type { Claims } from './claims.ts'

const claims: Claims = { issuer: 'https://id.example.com', subject: '00u1', email: 'ada@corp.example', groups: [] }

interface Row {
  readonly name: string
  /** What the directory says of `ada@corp.example`; of which provider, if not of hers. */
  readonly record?: Partial<DirectoryUser>
  readonly user?: Partial<User>
  readonly provider?: Partial<Provider>
  readonly claims?: Partial<Claims> | { readonly email: undefined }
  readonly hasPasskey?: true
  /** It is them who comes in; or what a refused person reads. */
  readonly want: 'them' | RegExp
}
const CORP = { admits: { anyone: false, domains: ['corp.example'], groups: [], users: [] } }

const rows: readonly Row[] = [
  { name: 'by the address, which the provider vouches for nowhere else', want: 'them' },
  { name: 'by the address in other letters', claims: { email: 'Ada@CORP.example' }, want: 'them' },
  {
    name: 'by the subject, without any address',
    record: { externalId: '00u1' },
    claims: { email: undefined },
    want: 'them',
  },
  {
    name: 'by another subject without an address',
    record: { externalId: '00u2' },
    claims: { email: undefined },
    want: /not let into/,
  },
  { name: 'by another address', claims: { email: 'eve@corp.example' }, want: /not let into/ },
  { name: 'suspended by the directory', user: { status: 'suspended' }, want: /suspended/ },
  { name: 'of another provider’s directory', record: { provider: 'other' }, provider: CORP, want: /There is a user/ },
  {
    name: 'of another provider’s directory, by that subject',
    record: { provider: 'other', externalId: '00u1' },
    claims: { email: undefined },
    want: /not let into/,
  },
  { name: 'who has another way in', hasPasskey: true, provider: CORP, want: /There is a user/ },
]

test('a first login finds whom the directory of its own provider made, and nobody else', async () => {
  for (const row of rows) {
    const world = await PeopleWorld.make()
    await world.provider({ groupDomain: 'corp.example', ...row.provider })
    const id = await world.user('ada@corp.example')
    if (row.hasPasskey === true) await world.passkey(id)
    await world.change('ada@corp.example', { directoryGroups: ['ops@corp.example'], ...row.user })
    const now = world.ledger.now()
    const value: DirectoryUser = {
      user: id,
      provider: 'work',
      userName: 'ada@corp.example',
      emails: [],
      active: true,
      created: now,
      modified: now,
      ...row.record,
    }
    await world.ledger.transact(world.tailnet.num, world.by, () => ({
      batch: { writes: [{ kind: 'directory-user', id: String(id), expect: 'absent', value }] },
      result: undefined,
    }))
    const settled = await world.settle({ ...claims, groups: ['Dev'], ...row.claims } as Claims)
    if (row.want !== 'them') {
      assert.match(settled.kind === 'refused' ? settled.why : settled.user.loginName, row.want, row.name)
      assert.equal(world.state.count('identity'), 0, row.name)
      continue
    }
    assert.equal(settled.kind === 'user' && settled.user.id, id, row.name)
    // What the login says of groups stands beside what the directory says.
    assert.deepEqual(groupsOf(world.find('ada@corp.example')), ['dev@corp.example', 'ops@corp.example'], row.name)
  }
})
