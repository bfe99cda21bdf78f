import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { CommandFailed, type Output } from './command.js'

const MIN_LENGTH = 8
const MAX_BYTES = 512

/** What is wrong with a password for a new account; undefined when nothing is. */
export function passwordProblem(password: string): string | undefined {
  if (password.length < MIN_LENGTH) return `the password is too short: at least ${MIN_LENGTH} characters`
  if (Buffer.byteLength(password) > MAX_BYTES) return `the password is too long: at most ${MAX_BYTES} bytes`
  return undefined
}

/** Asks twice without showing what is typed. @throws CommandFailed when the two differ, or nobody can be asked */
export async function promptTwice(stdin: NodeJS.ReadableStream & { isTTY?: boolean }, stderr: Output): Promise<string> {
  if (!stdin.isTTY) {
    throw new CommandFailed('there is no terminal to ask for the password: use -passwordstdin or -passwordfile')
  }
  const first = await promptHidden(stdin, stderr, 'Password: ')
  const second = await promptHidden(stdin, stderr, 'Once more: ')
  if (first !== second) throw new CommandFailed('the two passwords differ; nothing was changed')
  return first
}

function promptHidden(stdin: NodeJS.ReadableStream, stderr: Output, question: string): Promise<string> {
  stderr.write(question)
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: stdin, output: silent, terminal: true })
  return new Promise((resolve, reject) => {
    lines.once('line', (line) => {
      resolve(line)
      lines.close()
    })
    // Ctrl-C, or Ctrl-D and the end of the input; after a line it says nothing new.
    lines.once('SIGINT', () => lines.close())
    lines.once('close', () => {
      stderr.write('\n')
      reject(new CommandFailed('stopped; nothing was changed'))
    })
  })
}

export async function readAll(stream: NodeJS.ReadableStream): Promise<string> {
  let text = ''
  for await (const chunk of stream) text += chunk.toString()
  return text
}
