import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Metrics } from './metrics.ts'

test('figures are told as they are when they are read', async () => {
  const metrics = new Metrics()
  const count = metrics.counter('test_total', 'Something')
  let level = 5
  const drops = new Map([['full', 2]])
  metrics.gauge('test_level', 'Some level', () => level)
  metrics.countedBy('test_drops_total', 'Drops', 'reason', () => drops)
  count()
  count(41)
  const first = await metrics.read()
  assert.match(first.type, /^text\/plain; version=0\.0\.4/)
  assert.match(first.text, /^# HELP test_total Something\n# TYPE test_total counter\ntest_total 42$/m)
  assert.match(first.text, /^test_level 5$/m)
  assert.match(first.text, /^test_drops_total\{reason="full"\} 2$/m)
  level = 6
  drops.set('"\n', 1)
  const { text } = await metrics.read()
  assert.match(text, /^test_total 42$/m)
  assert.match(text, /^test_level 6$/m)
  assert.match(text, /^test_drops_total\{reason="\\"\\n"\} 1$/m)
  metrics.close()
})

test('the event loop’s lag, memory and CPU are always there, and are numbers', async () => {
  const metrics = new Metrics()
  const { text } = await metrics.read()
  for (const name of [
    'sett_event_loop_lag_seconds\\{quantile="0.99"\\}',
    'sett_process_resident_memory_bytes',
    'sett_process_cpu_seconds_total',
  ]) {
    const value = Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1])
    assert.ok(value >= 0, name)
  }
  metrics.close()
})
