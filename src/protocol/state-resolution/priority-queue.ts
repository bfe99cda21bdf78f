/** A binary heap: the smallest element comes out first. */
export class PriorityQueue<Element> {
  readonly #heap: Element[] = []
  readonly #isLess: (a: Element, b: Element) => boolean

  constructor(isLess: (a: Element, b: Element) => boolean) {
    this.#isLess = isLess
  }

  push(element: Element): void {
    const heap = this.#heap
    let hole = heap.length
    heap.push(element)
    while (hole > 0) {
      const parent = (hole - 1) >> 1
      const above = heap[parent] as Element
      if (!this.#isLess(element, above)) break
      heap[hole] = above
      hole = parent
    }
    heap[hole] = element
  }

  pop(): Element | undefined {
    const heap = this.#heap
    const smallest = heap[0]
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return smallest
    let hole = 0
    for (;;) {
      const left = 2 * hole + 1
      if (left >= heap.length) break
      const right = left + 1
      const child = right < heap.length && this.#isLess(heap[right] as Element, heap[left] as Element) ? right : left
      const below = heap[child] as Element
      if (!this.#isLess(below, last)) break
      heap[hole] = below
      hole = child
    }
    heap[hole] = last
    return smallest
  }
}
