/**
 * A name server that has one address for every name, and says what it is asked.
 *
 *   node test/interop/driver/name-server.ts ADDRESS ANSWER
 *
 * Listens on UDP port 53 of ADDRESS, prints `ready`, then a line `asked NAME` for each question. Ends when it is killed.
 */

import { createSocket } from 'node:dgram'

const [address = '', answer = ''] = process.argv.slice(2)
const HEADER = 12
const TYPE_A = 1

const socket = createSocket('udp4')
socket.on('message', (query, from) => {
  const labels: string[] = []
  let at = HEADER
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  const question = query.subarray(HEADER, at + 5)
  if (question.length < 5 || query.length < at + 5) return
  console.log(`asked ${labels.join('.').toLowerCase()}`)
  const isA = query.readUInt16BE(at + 1) === TYPE_A
  const header = Buffer.alloc(HEADER)
  query.copy(header, 0, 0, 2)
  // An answer, with recursion wanted and to be had.
  header.writeUInt16BE(0x8180, 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(isA ? 1 : 0, 6)
  const record = Buffer.from([0xc0, HEADER, 0, TYPE_A, 0, 1, 0, 0, 0, 1, 0, 4, ...answer.split('.').map(Number)])
  socket.send(Buffer.concat([header, question, ...(isA ? [record] : [])]), from.port, from.address)
})
socket.bind(53, address, () => console.log('ready'))
