import type { MediaApi } from '../../components/mediaapi/index.js'
import { contentHandlers, downloadQuery, mediaParams, namedMediaParams, thumbnailQuery } from '../media/content.js'
import { type Route, route } from '../route.js'

/** The content repository, for users (guests too: MSC4189). */
export function authedContentRepoRoutes({ mediaapi }: { readonly mediaapi: MediaApi }): Route[] {
  const { download, thumbnail, config } = contentHandlers(mediaapi, false)
  return [
    route({
      method: 'GET',
      path: '/_matrix/client/v1/media/download/{serverName}/{mediaId}',
      auth: 'guest',
      params: mediaParams,
      query: downloadQuery,
      handler: download,
    }),
    route({
      method: 'GET',
      path: '/_matrix/client/v1/media/download/{serverName}/{mediaId}/{fileName}',
      auth: 'guest',
      params: namedMediaParams,
      query: downloadQuery,
      handler: download,
    }),
    route({
      method: 'GET',
      path: '/_matrix/client/v1/media/thumbnail/{serverName}/{mediaId}',
      auth: 'guest',
      params: mediaParams,
      query: thumbnailQuery,
      handler: thumbnail,
    }),
    route({ method: 'GET', path: '/_matrix/client/v1/media/config', auth: 'user', handler: config }),
  ]
}
