import { expect, test } from 'vitest'
import { limitExceeded, MatrixError } from '../../src/protocol/matrix-error.js'

test('an error has the status of its code unless another is given', () => {
  const status = (error: MatrixError): number => error.status
  expect(status(new MatrixError('M_FORBIDDEN', 'no'))).toBe(403)
  expect(status(new MatrixError('M_UNRECOGNIZED', 'no'))).toBe(404)
  expect(status(new MatrixError('M_UNRECOGNIZED', 'no', { status: 405 }))).toBe(405)
  expect(status(new MatrixError('M_TOO_LARGE', 'no'))).toBe(413)
  expect(status(new MatrixError('M_USER_LOCKED', 'no'))).toBe(401)
})

test('its body has what the thrower adds, and never loses code and text', () => {
  const error = new MatrixError('M_UNKNOWN_TOKEN', 'expired', {
    extra: { soft_logout: true, errcode: 'x' },
    cause: new Error('why'),
  })
  expect(JSON.parse(JSON.stringify(error))).toEqual({ errcode: 'M_UNKNOWN_TOKEN', error: 'expired', soft_logout: true })
  expect(error.cause).toBeInstanceOf(Error)
})

test('a rate limit says in whole milliseconds when to come back', () => {
  const error = limitExceeded(1200.2)
  expect([error.status, error.toJSON().retry_after_ms]).toEqual([429, 1201])
})
