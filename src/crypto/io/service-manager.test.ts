import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NotifySocket } from '../../../test/support/notify-socket.ts'
import { tellServiceManager } from './service-manager.ts'

const skip = process.platform !== 'linux' && 'service managers of this kind are a matter of Linux'

test('a service manager is told at the socket that it named', { skip }, () => {
  for (const name of [undefined, `@sett-test-${process.pid}`]) {
    using manager = new NotifySocket(name)
    assert.equal(tellServiceManager('READY=1', manager.path), undefined)
    assert.equal(tellServiceManager('STOPPING=1', manager.path), undefined)
    assert.deepEqual([manager.read(), manager.read(), manager.read()], ['READY=1', 'STOPPING=1', undefined])
  }
})

test('where there is none, nothing is said; where it can not be told, that is', { skip }, () => {
  for (const [socket, want] of [
    ['', undefined],
    ['/nonexistent/socket', /^Cannot tell the service manager READY=1 at \/nonexistent\/socket: error 2$/],
    ['vsock:2:1234', /want a path, or "@" and a name$/],
    [`/${'n'.repeat(120)}`, /longer than 108 bytes$/],
  ] as const) {
    const said = tellServiceManager('READY=1', socket)
    if (want === undefined) assert.equal(said, undefined)
    else assert.match(said ?? '', want)
  }
})
