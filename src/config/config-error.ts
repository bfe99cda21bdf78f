/** One thing that is wrong in the configuration. */
export interface Problem {
  /** `dendrite.yaml:12` or `environment variable NEURITE_X`; empty when it has no place. */
  readonly place: string
  /** `global.server_name`; empty when it concerns no single key. */
  readonly key: string
  /** Already free of secrets. */
  readonly found: string
  readonly allowed: string
}

/** All that is wrong, in the order of the file. The message has one line each and shows no secret. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly Problem[]

  constructor(problems: readonly Problem[]) {
    const count = problems.length === 1 ? 'an error' : `${problems.length} errors`
    super([`The configuration has ${count}:`, ...problems.map((problem) => `  ${describeProblem(problem)}`)].join('\n'))
    this.problems = problems
  }
}

export function describeProblem({ place, key, found, allowed }: Problem): string {
  const where = [place, key].filter((part) => part !== '').join(': ')
  return `${where === '' ? '' : `${where}: `}found ${found}; allowed: ${allowed}`
}
