/** Web servers of tests that stand in for identity providers: on a free port of this machine, gone when disposed. */

import { createServer } from 'node:http'
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Another host than `localhost`, so that browsers take what comes from here for another site's. */
const HOST = '127.0.0.1'

export interface Standing {
  readonly url: string
  readonly server: Server
  close(): Promise<void>
}

/** @param port 0: any that is free */
export async function stand(port: number, listener: RequestListener): Promise<Standing> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(port, HOST, resolve))
  return {
    url: `http://${HOST}:${(server.address() as AddressInfo).port}`,
    server,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

export async function formOf(req: IncomingMessage): Promise<URLSearchParams> {
  const parts: Buffer[] = []
  for await (const part of req as AsyncIterable<Buffer>) parts.push(part)
  return new URLSearchParams(Buffer.concat(parts).toString('utf8'))
}

export function sendHtml(res: ServerResponse, body: string): void {
  res
    .writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
    .end(`<!doctype html><title>Provider</title>${body}`)
}

export function sendJson(res: ServerResponse, status: number, value: unknown): void {
  res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

/** A page that asks who somebody is, and sends them on as that. */
export function askWho(res: ServerResponse, action: string): void {
  sendHtml(res, `<form method="post" action="${action}"><input name="login" autofocus><button>Sign in</button></form>`)
}
