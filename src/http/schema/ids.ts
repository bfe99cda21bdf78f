import { z } from 'zod'
import {
  deviceId,
  fitsBytes,
  MAX_ID_BYTES,
  parseEventId,
  parseRoomAlias,
  parseRoomId,
  parseServerName,
  parseUserId,
} from '../../protocol/ids.js'

/** A string that one of the grammars of `protocol/ids` accepts, branded. */
function id<Id extends string>(parse: (text: string) => Id | undefined, what: string) {
  return z.string().transform((text, context): Id => {
    const parsed = parse(text)
    if (parsed !== undefined) return parsed
    context.addIssue({ code: 'custom', message: `not a valid ${what}` })
    return z.NEVER
  })
}

export const userIdSchema = id(parseUserId, 'user ID')
export const roomIdSchema = id(parseRoomId, 'room ID')
export const eventIdSchema = id(parseEventId, 'event ID')
export const roomAliasSchema = id(parseRoomAlias, 'room alias')
export const serverNameSchema = id(parseServerName, 'server name')
export const deviceIdSchema = id(deviceId, 'device ID')

/** The parameters of a path about one room. */
export const roomParams = z.object({ roomId: roomIdSchema })

/** Event types, state keys, transaction ids and other texts that are stored as keys: at most 255 bytes, perhaps empty. */
export const keySchema = z.string().refine((text) => fitsBytes(text, MAX_ID_BYTES), 'longer than 255 bytes')
