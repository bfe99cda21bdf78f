import { KeyedQueue } from '../platform/keyed-queue.js'

/**
 * Whoever wants to give an alias waits here for whoever wants the same one: between the look whether it is free and its
 * being stored a whole room may have to be made.
 */
export const aliasQueue = new KeyedQueue()
