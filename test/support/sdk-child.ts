import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** A newer Node than the one the tests run on: today's client SDK needs 22. */
const NODE = join(import.meta.dirname, '../../node_modules/node/bin/node')

/** One line of a script: a step that it has reached, with what it saw there. */
export interface SdkStep {
  readonly step: string
  // biome-ignore lint/suspicious/noExplicitAny: each step reports what it likes
  readonly [fact: string]: any
}

/** A script of test/system/sdk that drives the real client SDK in a process of its own. */
export interface SdkChild {
  /** All lines from the one before up to this step, that included. Throws with the script's errors when it ends before. */
  until(step: string): Promise<SdkStep[]>
  /** Lets a script that waits go on. */
  goOn(): void
  kill(): void
}

export function startSdkScript(script: string, args: readonly string[]): SdkChild {
  const file = join(import.meta.dirname, '../system/sdk', script)
  const child = spawn(NODE, ['--no-warnings', file, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  child.stdin.on('error', () => undefined)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    async until(step) {
      const steps: SdkStep[] = []
      for (;;) {
        const { value, done } = await lines.next()
        if (done === true) throw new Error(`the script has ended before "${step}": ${errors}`)
        // The SDK's own output may stand between our lines.
        if (!value.startsWith('{"step":')) continue
        const reached = JSON.parse(value) as SdkStep
        steps.push(reached)
        if (reached.step === step) return steps
      }
    },
    goOn: () => child.stdin.write('\n'),
    kill: () => child.kill('SIGKILL'),
  }
}
