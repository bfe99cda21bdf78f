import { z } from 'zod'
import type { MediaApi, MediaRef, Upload } from '../../components/mediaapi/index.js'
import type { Requester } from '../../components/userapi/index.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import { contentHandlers, downloadQuery, mediaParams, namedMediaParams, thumbnailQuery } from '../media/content.js'
import { type BodyStream, type Route, type RouteRequest, route } from '../route.js'

const OLD_VERSIONS = ['r0', 'v1']

const uploadQuery = z.object({ filename: z.string().optional() })

type UploadRequest = RouteRequest<unknown, z.output<typeof uploadQuery>, BodyStream, Requester>

/**
 * Uploads, and the deprecated endpoints without authentication. These have been frozen since before this server existed:
 * they serve what was taken over from an older server, and nothing that has been uploaded here (CS "Content repository",
 * "Client behaviour"). There are no icons of identity providers to be excepted.
 */
export function contentRepoRoutes({ mediaapi }: { readonly mediaapi: MediaApi }): Route[] {
  const { download, thumbnail, config } = contentHandlers(mediaapi, true)
  return [
    route({
      method: 'POST',
      path: '/_matrix/media/v3/upload',
      versions: OLD_VERSIONS,
      auth: 'user',
      rateLimit: 'client',
      query: uploadQuery,
      body: 'stream',
      async handler(request) {
        return { content_uri: uriOf(await mediaapi.upload(uploadOf(request))) }
      },
    }),
    route({
      method: 'POST',
      path: '/_matrix/media/v1/create',
      auth: 'user',
      rateLimit: 'client',
      async handler({ user }) {
        checkNotSuspended(user)
        const { ref, expiresTs } = await mediaapi.create(user.userId)
        return { content_uri: uriOf(ref), unused_expires_at: expiresTs }
      },
    }),
    route({
      method: 'PUT',
      path: '/_matrix/media/v3/upload/{serverName}/{mediaId}',
      auth: 'user',
      rateLimit: 'client',
      params: mediaParams,
      query: uploadQuery,
      body: 'stream',
      async handler(request) {
        const { serverName, mediaId } = request.params
        await mediaapi.uploadTo({ origin: serverName, mediaId }, uploadOf(request))
        return {}
      },
    }),
    route({
      method: 'GET',
      path: '/_matrix/media/v3/download/{serverName}/{mediaId}',
      versions: OLD_VERSIONS,
      auth: 'none',
      params: mediaParams,
      query: downloadQuery,
      handler: download,
    }),
    route({
      method: 'GET',
      path: '/_matrix/media/v3/download/{serverName}/{mediaId}/{fileName}',
      versions: OLD_VERSIONS,
      auth: 'none',
      params: namedMediaParams,
      query: downloadQuery,
      handler: download,
    }),
    route({
      method: 'GET',
      path: '/_matrix/media/v3/thumbnail/{serverName}/{mediaId}',
      versions: OLD_VERSIONS,
      auth: 'none',
      params: mediaParams,
      query: thumbnailQuery,
      handler: thumbnail,
    }),
    route({ method: 'GET', path: '/_matrix/media/v3/config', versions: OLD_VERSIONS, auth: 'user', handler: config }),
  ]
}

function uploadOf({ user, query, body, headers }: UploadRequest): Upload {
  checkNotSuspended(user)
  return {
    userId: user.userId,
    contentType: typeof headers['content-type'] === 'string' ? headers['content-type'] : undefined,
    fileName: query.filename,
    length: body.length,
    content: body.stream,
  }
}

function checkNotSuspended(user: Requester): void {
  if (user.suspended) throw new MatrixError('M_USER_SUSPENDED', 'This account has been suspended')
}

function uriOf({ origin, mediaId }: MediaRef): string {
  return `mxc://${origin}/${mediaId}`
}
