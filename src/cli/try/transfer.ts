/**
 * Measures what goes through a tunnel: a program of its own, run on both machines.
 *
 *   node transfer.ts take ADDRESS     listens there, says "ready", takes what comes
 *   node transfer.ts give ADDRESS     sends for a second, and says how many bytes arrived in how many seconds
 */

import { connect, createServer } from 'node:net'

const PORT = 7000
const SECONDS = 1
const PIECE_BYTES = 256 * 1024

const [role, host = ''] = process.argv.slice(2)

if (role === 'take') {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    let taken = 0
    let began = 0
    socket.on('error', () => {})
    socket.on('data', (piece) => {
      if (taken === 0) began = performance.now()
      taken += piece.length
    })
    // The taker counts: what the giver has written may still be on its way.
    socket.on('end', () => socket.end(`${taken} ${(performance.now() - began) / 1000}\n`))
  })
  server.listen(PORT, host, () => console.log('ready'))
} else {
  const piece = Buffer.alloc(PIECE_BYTES, 'sett')
  const socket = connect(PORT, host)
  const give = (): void => {
    // Until the kernel has enough.
    while (!socket.writableEnded && socket.write(piece));
  }
  socket.on('error', (error) => {
    console.error(error.message)
    process.exit(1)
  })
  socket.on('drain', give)
  socket.on('connect', () => {
    setTimeout(() => {
      socket.end()
    }, SECONDS * 1000)
    give()
  })
  socket.setEncoding('utf8').on('data', (text: string) => process.stdout.write(text))
}
