import { request } from 'node:http'
import { request as requestTls } from 'node:https'
import { CommandFailed } from './command.js'

/** Nobody listens at the address. */
export class ServerUnreachable extends CommandFailed {}

interface Question {
  /** `http://`, `https://`, or `unix:/path/to/socket/_path`. */
  readonly url: string
  readonly timeoutMs: number
  readonly authorization?: string
  /** Absent: GET. */
  readonly body?: object
}

/** One JSON request to a server on this machine or elsewhere. @throws ServerUnreachable, CommandFailed with the server's own text */
export async function askServer(question: Question): Promise<Record<string, unknown>> {
  const { status, text } = await send(question)
  let answer: Record<string, unknown>
  try {
    answer = JSON.parse(text) as Record<string, unknown>
  } catch {
    throw new CommandFailed(`${question.url} answered ${status}, and no JSON: is this a Matrix server?`)
  }
  if (status !== 200) throw new CommandFailed(`the server refused: ${String(answer.error ?? answer.errcode ?? status)}`)
  return answer
}

function send({ url, timeoutMs, authorization, body }: Question): Promise<{ status: number; text: string }> {
  const unix = /^unix:(.*?)(\/_.*)$/.exec(url)
  const target = unix === null ? new URL(url) : new URL(`http://localhost${unix[2]}`)
  const payload = body === undefined ? undefined : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const call = target.protocol === 'https:' ? requestTls : request
    const outgoing = call(
      target,
      {
        method: payload === undefined ? 'GET' : 'POST',
        headers: { 'content-type': 'application/json', ...(authorization === undefined ? {} : { authorization }) },
        signal: AbortSignal.timeout(timeoutMs),
        ...(unix === null ? {} : { socketPath: unix[1] }),
      },
      (incoming) => {
        let text = ''
        incoming.setEncoding('utf8')
        incoming.on('data', (chunk: string) => {
          text += chunk
        })
        incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, text }))
        incoming.on('error', reject)
      },
    )
    outgoing.on('error', (error) => reject(new ServerUnreachable(`${url} cannot be reached: ${error.message}`)))
    outgoing.end(payload)
  })
}
