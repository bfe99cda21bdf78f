/** "If this is an empty string, the trailing slash may be left out": three ways to name one piece of state. */
export const STATE_PATHS = [
  '/_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}',
  '/_matrix/client/v3/rooms/{roomId}/state/{eventType}/',
  '/_matrix/client/v3/rooms/{roomId}/state/{eventType}',
] as const
