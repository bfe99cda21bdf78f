import type { Reporter, TestModule, Vitest } from 'vitest/node'

/** Ends the run with plain lines: what was left out and why, and one with the counts. */
export class SummaryReporter implements Reporter {
  #isWhole = true

  onInit(vitest: Vitest): void {
    // With `-t` nearly all are skipped because nobody asked for them.
    this.#isWhole = vitest.config.testNamePattern === undefined
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0, pending: 0 }
    const leftOut: string[] = []
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const result = test.result()
        counts[result.state]++
        // The note of `context.skip(note)` names the command that installs what is missing.
        if (result.state === 'skipped' && (this.#isWhole || result.note !== undefined))
          leftOut.push(`left out: ${test.fullName} (${result.note ?? 'not on this system'})`)
      }
    }
    const failed =
      counts.failed + unhandledErrors.length + modules.filter((module) => module.errors().length > 0).length
    const seconds = Math.round(performance.now() / 1000)
    const lines = [...leftOut, `${counts.passed} passed, ${failed} failed, ${leftOut.length} left out, ${seconds} s`]
    process.stdout.write(`${lines.join('\n')}\n`)
  }
}
