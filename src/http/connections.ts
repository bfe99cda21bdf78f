import type { Socket } from 'node:net'

/** What is known of a socket that requests come in on. */
interface Tracked {
  /** As it was when the connection came: a socket forgets it when it closes. Undefined on a Unix socket. */
  readonly peer: string | undefined
  /** Requests being answered. */
  busy: number
}

/** The open connections of all listeners. */
export class Connections {
  readonly #perAddress: number
  readonly #isExempt: (address: string) => boolean
  /** As they were accepted. */
  readonly #accepted = new Set<Socket>()
  /** With TLS another socket, upon the accepted one. */
  readonly #tracked = new Map<Socket, Tracked>()
  readonly #byAddress = new Map<string, number>()

  /** At most `perAddress` from one address, unless it is exempt. */
  constructor(perAddress: number, isExempt: (address: string) => boolean) {
    this.#perAddress = perAddress
    this.#isExempt = isExempt
  }

  accept(socket: Socket): void {
    const address = socket.remoteAddress
    if (address !== undefined && !this.#isExempt(address) && !this.#count(socket, address)) {
      socket.destroy()
      return
    }
    this.#accepted.add(socket)
    socket.once('close', () => this.#accepted.delete(socket))
  }

  /** A socket that will carry requests. `isLocal`: from a Unix listener; without an address any other is gone already. */
  track(socket: Socket, isLocal: boolean): void {
    const peer = isLocal ? undefined : socket.remoteAddress
    if (!isLocal && peer === undefined) {
      socket.destroy()
      return
    }
    this.#tracked.set(socket, { peer, busy: 0 })
    socket.once('close', () => this.#tracked.delete(socket))
  }

  /** One more request on this socket. Returns whom it is from; false when the connection has gone. */
  begin(socket: Socket): { readonly peer: string | undefined; readonly end: () => void } | false {
    const tracked = this.#tracked.get(socket)
    if (tracked === undefined) return false
    tracked.busy++
    return {
      peer: tracked.peer,
      end: () => {
        tracked.busy--
      },
    }
  }

  isBusy(socket: Socket): boolean {
    return (this.#tracked.get(socket)?.busy ?? 0) > 0
  }

  /** Those that have never sent a request too, which Node's own closing of idle connections leaves open. */
  destroyIdle(): void {
    for (const [socket, { busy }] of this.#tracked) if (busy === 0) socket.destroy()
  }

  destroyAll(): void {
    for (const socket of this.#accepted) socket.destroy()
  }

  #count(socket: Socket, address: string): boolean {
    const open = (this.#byAddress.get(address) ?? 0) + 1
    if (open > this.#perAddress) return false
    this.#byAddress.set(address, open)
    socket.once('close', () => {
      const left = (this.#byAddress.get(address) ?? 1) - 1
      if (left > 0) this.#byAddress.set(address, left)
      else this.#byAddress.delete(address)
    })
    return true
  }
}
