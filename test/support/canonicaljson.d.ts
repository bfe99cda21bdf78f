/** The package has no types of its own. */
declare module 'canonicaljson' {
  const canonicaljson: { stringify(value: unknown): string }
  export default canonicaljson
}
