import { z } from 'zod'

/** An integer in a query: decimal digits, perhaps a sign, within the safe range. */
export const queryInteger = z
  .string()
  .regex(/^-?\d{1,16}$/, 'an integer is expected')
  .transform(Number)
  .refine(Number.isSafeInteger, 'an integer is expected')

/** `true` or `false`. */
export const queryBoolean = z.enum(['true', 'false']).transform((text) => text === 'true')
