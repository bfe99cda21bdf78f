import { Reply, type Route, route } from '../route.js'

/** Each by itself: clients look for the one they need, not for a newer one. */
const VERSIONS = [
  'r0.0.1',
  'r0.1.0',
  'r0.2.0',
  'r0.3.0',
  'r0.4.0',
  'r0.5.0',
  'r0.6.0',
  'r0.6.1',
  ...Array.from({ length: 19 }, (_, minor) => `v1.${minor + 1}`),
]

/** Only what is really there: a client keeps a flag for a day, so one that is shown cannot be taken back quickly. */
const UNSTABLE_FEATURES = {
  // Cross-signing is stable; some clients set up encryption only when they see the old flag.
  'org.matrix.e2e_cross_signing': true,
  'org.matrix.msc2285.stable': true,
  // One session switches the pushes of another.
  'org.matrix.msc3881': true,
  // matrix-js-sdk asks for rooms in common only under this name.
  'uk.half-shot.msc2666.query_mutual_rooms': true,
}

export function versionsRoutes(): Route[] {
  const body = JSON.stringify({ versions: VERSIONS, unstable_features: UNSTABLE_FEATURES })
  return [
    route({
      method: 'GET',
      path: '/_matrix/client/versions',
      auth: 'none',
      handler: async () => new Reply({ body, headers: { Vary: 'Authorization' } }),
    }),
  ]
}
