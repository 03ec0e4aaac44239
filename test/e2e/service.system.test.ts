/**
 * `sett service`: what it writes, as systemd itself judges it, and, in a container that a real systemd boots, that node
 * and server start by it, tell that they are ready, survive, and stop without a trace, with all that their units forbid.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { NotifySocket } from '../support/notify-socket.ts'
import { findTool, tunMissing } from '../lab/available.ts'
import { Program, run, SETT } from './program.ts'

const SETTD = join(dirname(SETT), 'settd')
const folder = mkdtempSync(join(tmpdir(), 'sett-service-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const service = (...args: string[]) => run(SETT, ['service', ...args])
const NODE_UNIT = '/etc/systemd/system/settd.service'
const SERVER_UNIT = '/etc/systemd/system/sett.service'

test('units are written below a folder, replaced, and removed; what others wrote or changed is kept', async () => {
  const root = join(folder, 'root')
  const at = (path: string): string => join(root, path)
  const wrote = await service('install', '--root', root, '--bin', '/opt/sett/bin')
  assert.deepEqual(wrote, { code: 0, out: `wrote ${at(NODE_UNIT)}\nwrote ${at('/etc/default/settd')}\n`, err: '' })
  const unit = readFileSync(at(NODE_UNIT), 'utf8')
  assert.match(unit, /^ExecStart=\/opt\/sett\/bin\/settd /m)
  assert.equal(statSync(at('/etc/default/settd')).mode & 0o777, 0o600)
  assert.ok((await service('install', '--print', '--bin=/opt/sett/bin')).out.includes(unit))
  assert.equal((await service('--server', 'install', '--root', `${root}/`)).code, 0)
  assert.match(readFileSync(at(SERVER_UNIT), 'utf8'), /^User=sett$/m)

  appendFileSync(at('/etc/default/settd'), 'PORT=5\n')
  appendFileSync(at(NODE_UNIT), '# of an older version\n')
  const status = await service('status', '--root', root, '--bin', '/opt/sett/bin')
  assert.equal(status.out, `outdated     ${at(NODE_UNIT)}\nchanged      ${at('/etc/default/settd')}\n`)
  const again = await service('install', '--root', root, '--bin', '/opt/sett/bin')
  assert.equal(again.out, `wrote ${at(NODE_UNIT)}\n${at('/etc/default/settd')} is kept as it is\n`)
  assert.equal(readFileSync(at(NODE_UNIT), 'utf8'), unit)

  writeFileSync(at(SERVER_UNIT), '[Service]\nExecStart=/bin/true\n')
  const refused = await service('install', '--server', '--root', root)
  assert.equal(refused.code, 1)
  assert.match(refused.err, /sett\.service: it was written by somebody else/)

  const removed = await service('uninstall', '--root', root)
  assert.equal(
    removed.out,
    `removed ${at(NODE_UNIT)}\n${at('/etc/default/settd')} is kept: it is not as we have written it\n`,
  )
  await service('uninstall', '--server', '--root', root)
  assert.deepEqual(readdirSync(at('/etc/systemd/system')), ['sett.service'])
  assert.deepEqual(readdirSync(at('/etc/sysusers.d')), [])
})

test('a command line that is wrong is told so, and a machine without systemd', async () => {
  for (const [args, want, code] of [
    [[], /Want a verb: install, uninstall or status/, 2],
    [['start'], /There is no "start" here/, 2],
    [['install', 'now'], /There is no "now" here/, 2],
    [['install', '--fast'], /flag provided but not defined: -fast/, 2],
    [['install', '--print', '--bin', '/opt/my programs'], /systemd takes a path without blanks/, 2],
    ...(existsSync('/run/systemd/system') ? [] : [[['install'], /was not started by systemd/, 1] as const]),
  ] as const) {
    const ran = await service(...args)
    assert.match(ran.err, want)
    assert.equal(ran.code, code)
  }
})

test(
  'systemd finds nothing wrong with the units, and little that they could do',
  { skip: findTool('systemd-analyze') === undefined && 'no systemd-analyze here (Debian: systemd)' },
  async () => {
    const root = join(folder, 'judged')
    await service('install', '--root', root)
    await service('install', '--root', root, '--server')
    for (const [unit, most] of [
      [NODE_UNIT, 4],
      [SERVER_UNIT, 2.5],
    ] as const) {
      const verified = await run('systemd-analyze', ['verify', '--man=no', join(root, unit)])
      assert.deepEqual([verified.code, verified.err], [0, ''])
      // From 0, which can do nothing, to 10, which can do everything.
      const judged = await run('systemd-analyze', ['security', '--offline=true', '--no-pager', join(root, unit)])
      const exposure = Number(/exposure level for .*: ([\d.]+)/.exec(judged.out)?.[1])
      assert.ok(exposure <= most, `${unit}: ${judged.out}`)
    }
  },
)

test(
  'node and server say that they are ready, and that they stop',
  { skip: tunMissing() || (process.arch !== 'x64' && process.arch !== 'arm64' && 'no raw memory here') },
  async (t) => {
    const state = join(folder, 'told')
    mkdirSync(state)
    const listen = ['--listen=127.0.0.1:0', '--relay-listen=127.0.0.1:0', '--stun-listen=off']
    for (const [command, args] of [
      [
        SETTD,
        [
          '--statedir',
          state,
          '--socket',
          join(state, 'settd.sock'),
          '--tun',
          `told${process.pid % 10_000}`,
          '--port',
          '0',
        ],
      ],
      [SETT, ['coord', '--data', join(state, 'data'), ...listen]],
    ] as const) {
      using manager = new NotifySocket()
      const program = new Program(command, args, { env: { NOTIFY_SOCKET: manager.path } })
      t.after(() => program.end('SIGKILL'))
      assert.equal(await manager.next(), 'READY=1', program.err)
      if (command === SETTD) assert.ok(existsSync(join(state, 'settd.sock')))
      assert.equal(await program.end('SIGTERM'), 0)
      assert.deepEqual([manager.read(), manager.read()], ['STOPPING=1', undefined])
    }
  },
)

/** Where our programs are in the container: wherever this clone is, the container may have something else there. */
const INSIDE = '/opt/sett'

/** Boots systemd in a container whose files are ours, and none of whose changes stay, to run one script. */
const BOOT = `
set -e
mkdir "$0/t"; mount -t tmpfs t "$0/t"; mkdir "$0/t/upper" "$0/t/work" "$0/t/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$0/t/upper,workdir=$0/t/work" "$0/t/root"
rm -rf "$0/t/root"/etc/systemd/system/*.wants
exec systemd-nspawn --quiet --register=no --keep-unit --directory="$0/t/root" --private-network --bind=/dev/net/tun \\
  --bind="$0:/probe" --bind-ro="${dirname(dirname(SETT))}:${INSIDE}" --bind-ro="$0/probe.service:/etc/systemd/system/probe.service" --boot --console=pipe -- --unit=probe.service`

const PROBE_UNIT = `[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
ExecStart=/bin/sh /probe/probe.sh
ExecStopPost=/bin/systemctl --no-block --force exit
TimeoutStartSec=180
`

/** Each line that begins with "==" heads what follows it. */
const PROBE = `
exec >/probe/out 2>&1
sett() { ${INSIDE}/bin/sett "$@"; }
until_running() { for i in $(seq 100); do sett status >/dev/null && return; sleep 0.2; done; echo "never"; sett status; journalctl -u settd --no-pager | tail -40; }
echo "== node"; sett service install; echo "code $?"; systemctl is-active settd
echo "== server"; sett service install --server; echo "code $?"; systemctl is-active sett
echo "== who"; stat -c '%U %a' /var/lib/sett /var/lib/sett/admin.sock; stat -c '%U %a' /var/lib/settd /run/sett
echo "== up"; key=$(sett admin --socket /var/lib/sett/admin.sock keys create); sett up --login-server=http://127.0.0.1:8080 --auth-key="$key" --timeout=30s; until_running; sett status
echo "== traces"; ip rule show | grep -c 52; nft list tables | grep -c sett
echo "== killed"; old=$(systemctl show -p MainPID --value settd); kill -9 "$old"; while [ "$(systemctl is-active settd)" != active ] || [ "$(systemctl show -p MainPID --value settd)" = "$old" ]; do sleep 0.1; done; until_running; echo "runs again"
echo "== status"; sett service status; echo "code $?"
echo "== stopped"; sett service uninstall; sett service uninstall --server; ip rule show | grep -c 52; nft list tables | grep -c sett; ls /sys/class/net; sett service status; echo "code $?"
echo "== journal"; journalctl -u settd --no-pager -o cat | grep -i -E 'not permitted|denied|cannot' 
echo "== end"
`

test(
  'a real systemd starts both by their units, starts the node again when it was killed, and stops it without a trace',
  {
    skip:
      tunMissing() ||
      (findTool('systemd-nspawn') === undefined && 'no systemd-nspawn here (Debian: systemd-container)'),
  },
  async (t) => {
    const probe = join(folder, 'probe')
    mkdirSync(probe)
    writeFileSync(join(probe, 'probe.service'), PROBE_UNIT)
    writeFileSync(join(probe, 'probe.sh'), PROBE)
    const boot = new Program('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', BOOT, probe])
    t.after(() => boot.end('SIGKILL'))
    await boot.ended
    const out = existsSync(join(probe, 'out')) ? readFileSync(join(probe, 'out'), 'utf8') : ''
    const parts = new Map(
      out.split(/^== /m).map((part) => [part.split('\n', 1)[0] ?? '', part.slice(part.indexOf('\n') + 1)]),
    )
    const all = `${boot.out}${boot.err}\n${out}`
    assert.ok(parts.has('end'), all)
    const part = (name: string): string => parts.get(name) ?? ''
    for (const name of ['node', 'server'])
      assert.match(part(name), /is started, now and with the machine\n(.*\n)*code 0\nactive\n/, all)
    assert.equal(part('who'), 'sett 700\nsett 600\nroot 700\nroot 755\n', all)
    assert.match(part('up'), /^100\.\d+\.\d+\.\d+ .* linux /m, all)
    const [rules, tables] = part('traces').split('\n')
    assert.ok(Number(rules) > 0 && Number(tables) > 0, all)
    assert.equal(part('killed'), 'runs again\n', all)
    assert.match(part('status'), /^active +settd\.service, now\ncode 0\n$/m, all)
    assert.match(part('stopped'), /^0\n0\nlo\n/m, all)
    assert.match(part('stopped'), /^missing .*settd\.service\n(.*\n)*not-found .*\ninactive .*\ncode 1\n$/m, all)
    assert.equal(part('journal'), '', all)
    assert.equal(spawnSync('pgrep', ['-f', probe]).status, 1)
  },
)
