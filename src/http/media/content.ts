import { z } from 'zod'
import type { FindOptions, MediaApi, MediaFile, MediaRef } from '../../components/mediaapi/index.js'
import { parseServerName } from '../../protocol/ids.js'
import type { Reply, RouteRequest } from '../route.js'
import { queryBoolean, queryInteger } from '../schema/query.js'
import { contentDisposition } from './disposition.js'
import { mediaReply } from './media-reply.js'

/** What the endpoints with and without authentication share. */

const serverName = z.string().transform((name, context) => {
  const parsed = parseServerName(name)
  if (parsed !== undefined) return parsed
  context.addIssue({ code: 'custom', message: 'not a valid server name' })
  return z.NEVER
})

/** Nothing else is looked up, let alone made part of a path (CS "Security considerations"). */
const mediaId = z.string().regex(/^[A-Za-z0-9_-]{1,255}$/, 'not a valid media ID')

export const mediaParams = z.object({ serverName, mediaId })
export const namedMediaParams = mediaParams.extend({ fileName: z.string() })

const timeout = { timeout_ms: queryInteger.optional() }
export const downloadQuery = z.object(timeout)

const pixels = queryInteger.refine((value) => value >= 1, 'at least one pixel is expected')
export const thumbnailQuery = z.object({
  ...timeout,
  width: pixels,
  height: pixels,
  method: z.enum(['crop', 'scale']).default('scale'),
  animated: queryBoolean.default(false),
})

const DEFAULT_TIMEOUT_MS = 20_000
const LONGEST_TIMEOUT_MS = 60_000

type Params = z.output<typeof mediaParams> & { readonly fileName?: string }
type Asked<Query> = Pick<RouteRequest<Params, Query, unknown, unknown>, 'params' | 'query' | 'headers' | 'signal'>

/** The answers of one family of endpoints. `beforeFreeze`: without authentication, for what was there before the freeze. */
export function contentHandlers(
  mediaapi: Pick<MediaApi, 'download' | 'thumbnail' | 'maxUploadBytes'>,
  beforeFreeze: boolean,
) {
  const options = ({ query, signal }: Asked<{ timeout_ms?: number | undefined }>): FindOptions => ({
    timeoutMs: Math.min(Math.max(query.timeout_ms ?? DEFAULT_TIMEOUT_MS, 0), LONGEST_TIMEOUT_MS),
    signal,
    beforeFreeze,
  })
  return {
    async download(request: Asked<z.output<typeof downloadQuery>>): Promise<Reply> {
      const file = await mediaapi.download(refOf(request.params), options(request))
      const disposition = contentDisposition(file.contentType, request.params.fileName ?? file.fileName)
      return mediaReply(file, { headers: request.headers, disposition, isPublic: beforeFreeze })
    },

    async thumbnail(request: Asked<z.output<typeof thumbnailQuery>>): Promise<Reply> {
      const { width, height, method, animated } = request.query
      const wanted = { width, height, method, animated }
      const file = await mediaapi.thumbnail(refOf(request.params), wanted, options(request))
      const disposition = contentDisposition(file.contentType, thumbnailName(file))
      return mediaReply(file, { headers: request.headers, disposition, isPublic: beforeFreeze })
    },

    /** Without the size where there is no limit. */
    config: async (): Promise<object> =>
      mediaapi.maxUploadBytes === undefined ? {} : { 'm.upload.size': mediaapi.maxUploadBytes },
  }
}

function refOf({ serverName, mediaId }: Params): MediaRef {
  return { origin: serverName, mediaId }
}

function thumbnailName({ contentType }: MediaFile): string {
  return `thumbnail.${contentType === 'image/jpeg' ? 'jpg' : contentType.replace('image/', '')}`
}
