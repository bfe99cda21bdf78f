/**
 * On every answer, errors and refused methods too: browsers show a client nothing else (CS "Web Browser Clients").
 * As pairs, the form in which Node writes headers fastest.
 */
export const CORS_HEADERS: readonly string[] = [
  'Access-Control-Allow-Origin',
  '*',
  'Access-Control-Allow-Methods',
  'GET, POST, PUT, DELETE, OPTIONS',
  'Access-Control-Allow-Headers',
  'X-Requested-With, Content-Type, Authorization',
]
