/**
 * A dot-separated property path taken apart: `content.m\.relates_to.rel_type` is `content`, `m.relates_to`, `rel_type`.
 * Only a dot and a backslash are escaped by a backslash; before anything else it is itself.
 * Appendices, "Dot-separated property paths".
 */
export function parsePropertyPath(path: string): readonly string[] {
  const names: string[] = []
  let name = ''
  for (let at = 0; at < path.length; at++) {
    const character = path.charAt(at)
    const next = path.charAt(at + 1)
    if (character === '\\' && (next === '.' || next === '\\')) {
      name += next
      at++
    } else if (character === '.') {
      names.push(name)
      name = ''
    } else {
      name += character
    }
  }
  return [...names, name]
}
