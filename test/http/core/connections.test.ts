import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { expect, it } from 'vitest'
import { Connections } from '../../../src/http/connections.js'

it('one address has so many connections and no more, until it closes one', async () => {
  const connections = new Connections(2, () => false)
  const server = createServer((socket) => {
    connections.accept(socket)
    socket.resume().on('error', () => undefined)
    if (!socket.destroyed) socket.write('x')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  /** Whether it was let in. */
  const attempt = () => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    const admitted = new Promise<boolean>((resolve) => {
      socket.once('data', () => resolve(true))
      socket.on('error', () => undefined).once('close', () => resolve(false))
    })
    return { socket, admitted }
  }
  const first = attempt()
  expect(await first.admitted).toBe(true)
  expect(await attempt().admitted).toBe(true)
  expect(await attempt().admitted).toBe(false)
  first.socket.destroy()
  await once(first.socket, 'close')
  while (!(await attempt().admitted));
  connections.destroyAll()
  server.close()
  await once(server, 'close')
})
