/** Without case and accents: `É` and `e` are found by one another. */
export function folded(text: string): string {
  return plain(text).normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase().trim()
}

/** What no index can hold becomes a blank: NUL, the encoder's escape, and halves of characters. */
export function plain(text: string): string {
  return text.replace(/[\u0000\u0001]|\p{Cs}/gu, ' ')
}

/** Words of a search term, each once. */
export function wordsOf(term: string): string[] {
  const words = plain(term)
    .toLowerCase()
    .split(/[^\p{L}\p{M}\p{N}]+/u)
  return [...new Set(words.filter((word) => word !== ''))]
}
