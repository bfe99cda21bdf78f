import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'

export interface ServiceRecord {
  readonly target: string
  readonly port: number
  readonly priority?: number
  readonly weight?: number
}

/** What a name has; a name that has nothing does not exist. */
export interface NameRecords {
  readonly addresses?: readonly string[]
  readonly alias?: string
  readonly services?: readonly ServiceRecord[]
  /** No answer at all, or SERVFAIL. */
  readonly broken?: 'silent' | 'failing'
}

/** A name server on this machine that a test plays. */
export interface DnsServer {
  /** `127.0.0.1:port`. */
  readonly address: string
  readonly records: Map<string, NameRecords>
  /** `A example.org`, in the order in which they were asked. */
  readonly asked: string[]
  close(): Promise<void>
}

const TYPES: Record<number, string> = { 1: 'A', 28: 'AAAA', 33: 'SRV' }
const CODES = { A: 1, CNAME: 5, AAAA: 28, SRV: 33 }

export async function startDnsServer(): Promise<DnsServer> {
  const socket = createSocket('udp4')
  const records = new Map<string, NameRecords>()
  const asked: string[] = []
  socket.on('message', (query, from) => {
    const { name, end } = readName(query, 12)
    const type = TYPES[query.readUInt16BE(end)] ?? 'other'
    asked.push(`${type} ${name}`)
    const found = records.get(name.toLowerCase())
    if (found?.broken === 'silent') return
    const answers = found === undefined ? [] : answersFor(name, type, records)
    const header = Buffer.alloc(12)
    query.copy(header, 0, 0, 2)
    const code = found === undefined ? 3 : found.broken === 'failing' ? 2 : 0
    header.writeUInt16BE(0x8580 | code, 2)
    header.writeUInt16BE(1, 4)
    header.writeUInt16BE(answers.length, 6)
    socket.send(Buffer.concat([header, query.subarray(12, end + 4), ...answers]), from.port, from.address)
  })
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  return {
    address: `127.0.0.1:${socket.address().port}`,
    records,
    asked,
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  }
}

function answersFor(name: string, type: string, records: Map<string, NameRecords>): Buffer[] {
  const { addresses = [], alias, services = [] } = records.get(name.toLowerCase()) ?? {}
  if (alias !== undefined) return [record(name, CODES.CNAME, writeName(alias)), ...answersFor(alias, type, records)]
  if (type === 'SRV') return services.map((service) => record(name, CODES.SRV, serviceData(service)))
  return addresses
    .filter((address) => (isIPv6(address) ? 'AAAA' : 'A') === type)
    .map((address) => record(name, isIPv6(address) ? CODES.AAAA : CODES.A, addressData(address)))
}

function serviceData({ target, port, priority = 0, weight = 0 }: ServiceRecord): Buffer {
  const numbers = Buffer.alloc(6)
  numbers.writeUInt16BE(priority, 0)
  numbers.writeUInt16BE(weight, 2)
  numbers.writeUInt16BE(port, 4)
  return Buffer.concat([numbers, writeName(target)])
}

function addressData(address: string): Buffer {
  if (!isIPv6(address)) return Buffer.from(address.split('.').map(Number))
  const [left = '', right = ''] = address.split('::')
  const groups = (half: string) => half.split(':').filter((group) => group !== '')
  const zeros = Array<string>(8 - groups(left).length - groups(right).length).fill('0')
  const all = address.includes('::') ? [...groups(left), ...zeros, ...groups(right)] : groups(address)
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex')
}

function record(name: string, code: number, data: Buffer): Buffer {
  const fixed = Buffer.alloc(10)
  fixed.writeUInt16BE(code, 0)
  fixed.writeUInt16BE(1, 2)
  fixed.writeUInt16BE(data.length, 8)
  return Buffer.concat([writeName(name), fixed, data])
}

function writeName(name: string): Buffer {
  const labels = name.split('.').filter((label) => label !== '')
  const parts = labels.map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`, 'latin1'))
  return Buffer.concat([...parts, Buffer.from([0])])
}

function readName(message: Buffer, start: number): { name: string; end: number } {
  const labels: string[] = []
  let at = start
  for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length))
    at += length + 1
  }
  return { name: labels.join('.'), end: at + 1 }
}
