/** `sett admin routes` and `sett admin approvals` over the socket of a server. */

import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { AdminWorld } from '../../../test/support/admin-world.ts'
import { TESTER } from '../../../test/support/ledger.ts'

const at = await AdminWorld.make()
after(() => at.close())

const { alpha } = at.world
const { laptop, printer } = alpha

/** What a device offers from now on. */
async function offer(id: number, RoutableIPs: readonly string[]): Promise<void> {
  await at.world.ledger.transact(alpha.num, TESTER, (model) => {
    const node = model.state(alpha.num).node(id)
    assert.ok(node)
    const value = { ...node, hostinfo: { ...node.hostinfo, RoutableIPs: [...RoutableIPs] }, approvedRoutes: [] }
    return { batch: { writes: [{ kind: 'node', id: String(id), expect: 'any', value }] }, result: undefined }
  })
}

test('routes are listed, approved and withdrawn', async () => {
  await offer(laptop.id, ['10.0.0.0/8', '0.0.0.0/0', '::/0'])
  await offer(printer.id, ['10.0.0.0/8'])
  for (const { id } of [laptop, printer]) at.world.online.add(id)
  const rows: readonly [readonly string[], RegExp][] = [
    [['list'], new RegExp(`^10\\.0\\.0\\.0/8 +${laptop.name} +${laptop.stableId} +to approve *$`, 'm')],
    [['approve', laptop.name, '10.0.0.0/8,exit'], /may route 10\.0\.0\.0\/8, 0\.0\.0\.0\/0, ::\/0$/m],
    [['approve', printer.name, '10.0.0.0/8'], /may route 10\.0\.0\.0\/8$/m],
    [['list', '10.0.0.0/8'], new RegExp(`^10\\.0\\.0\\.0/8 +${laptop.name} +\\S+ +healthy +yes *$`, 'm')],
    [['list', '10.0.0.0/8'], new RegExp(`^10\\.0\\.0\\.0/8 +${printer.name} +\\S+ +healthy *$`, 'm')],
    [['list', 'exit'], /^0\.0\.0\.0\/0 \(exit\) +\S+ +\S+ +healthy +who chooses it *$/m],
    [['withdraw', laptop.name, 'exit'], /may route 10\.0\.0\.0\/8$/m],
    [['withdraw', laptop.name, '10.0.0.0/8'], /may route nothing$/m],
  ]
  for (const [args, want] of rows) assert.match(await at.admin('routes', ...args), want, args.join(' '))
  const { routes } = await at.adminJson('routes', 'list', '10.0.0.0/8')
  assert.deepEqual(
    routes[0].routers.map(({ name, primary }: any) => [name, primary]),
    [
      [printer.name, true],
      [laptop.name, false],
    ],
  )
})

test('what is approved before it is offered is said to be so', async () => {
  const { code, out, err } = await at.ran('routes', 'approve', laptop.name, '172.16.0.0/12')
  assert.equal(code, 0)
  assert.match(out, /may route 172\.16\.0\.0\/12/)
  assert.match(err, /does not offer 172\.16\.0\.0\/12/)
})

test('what is not there, or no route, is refused', async () => {
  const rows: readonly [readonly string[], number, RegExp][] = [
    [['list', '203.0.113.0/24'], 1, /Nobody offers 203\.0\.113\.0\/24/],
    [['withdraw', laptop.name, '203.0.113.0/24'], 1, /is not approved/],
    [['approve', laptop.name, ''], 2, /Want routes such as/],
    [['approve', 'nobody', '10.0.0.0/8'], 1, /No node "nobody"/],
  ]
  for (const [args, code, want] of rows) {
    const ran = await at.ran('routes', ...args)
    assert.equal(ran.code, code, args.join(' '))
    assert.match(ran.err, want, args.join(' '))
  }
})

test('approvals: all of a device by one command, or a part of it', async () => {
  await offer(laptop.id, ['10.0.0.0/8', '0.0.0.0/0', '::/0'])
  await offer(printer.id, ['192.168.1.0/24'])
  await at.admin('nodes', 'approve', printer.name, '--withdraw')
  const shown = await at.admin('approvals', 'list')
  assert.match(shown, new RegExp(`${laptop.name} .*10\\.0\\.0\\.0/8, exit node`))
  assert.match(shown, new RegExp(`${printer.name} .*itself, 192\\.168\\.1\\.0/24`))
  assert.equal(
    await at.admin('approvals', 'approve', laptop.name, '--exit-node'),
    `Approved ${laptop.name}: exit node\n`,
  )
  assert.equal(
    await at.admin('approvals', 'approve', laptop.name, printer.name),
    `Approved ${laptop.name}: 10.0.0.0/8; Approved ${printer.name}: itself, 192.168.1.0/24\n`,
  )
  assert.match(await at.admin('approvals', 'list'), /Nothing waits for approval/)
  const again = await at.ran('approvals', 'approve', laptop.name)
  assert.equal(again.code, 1)
  assert.match(again.err, /Nothing of .* waits for this/)
})
