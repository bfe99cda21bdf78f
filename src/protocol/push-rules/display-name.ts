/**
 * Whether a text has a display name in it, as whole words and in any case. The name is taken as it is: `*` in it is no
 * glob. Client-server API, push "Conditions", `contains_display_name`.
 */
export function containsDisplayName(text: string, displayName: string): boolean {
  const wanted = displayName.toLowerCase()
  if (wanted === '') return false
  const searched = text.toLowerCase()
  for (let at = searched.indexOf(wanted); at !== -1; at = searched.indexOf(wanted, at + 1)) {
    if (isBoundary(searched, at) && isBoundary(searched, at + wanted.length)) return true
  }
  return false
}

function isBoundary(text: string, index: number): boolean {
  return !isWordCharacter(text, index - 1) || !isWordCharacter(text, index)
}

function isWordCharacter(text: string, index: number): boolean {
  return /^[A-Za-z0-9_]$/.test(text.charAt(index))
}
