import { setFlagsFromString } from 'node:v8'

/*
 * Runs before everything else is loaded. Loading the program lets V8 double its young generation several times, 20 MB that an
 * idle server then keeps for ever; at its first size it costs a start nothing. Under load it may grow again.
 */
setFlagsFromString('--semi-space-growth-factor=1')

/** V8's own way of growing from here on: what a busy server allocates decides. */
export function letYoungHeapGrow(): void {
  setFlagsFromString('--semi-space-growth-factor=2')
}
