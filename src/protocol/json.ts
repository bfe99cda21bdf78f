/**
 * JSON as Matrix needs it: nothing is lost and nothing is ambiguous. Appendices "Canonical JSON".
 *
 * `JSON.parse` rounds 2^53+1, forgets that 1.0, 1e3 and -0 were written so, takes the last of duplicate keys, and lets
 * lone surrogates through: each of them makes two servers hash different bytes.
 */
export {
  type CanonicalOptions,
  canonicalJson,
  compareCodePoints,
  quote,
  sortedKeys,
  stringifyJson,
} from './json/canonical.js'
export { getArray, getBoolean, getInteger, getObject, getString, getStrings, getValue } from './json/fields.js'
export {
  DEFAULT_MAX_DEPTH,
  FEDERATION_MAX_DEPTH,
  isDeeperThan,
  type ParseOptions,
  parseJson,
  parseJsonObject,
  parseStoredJson,
} from './json/parse.js'
export {
  CanonicalJsonError,
  isJsonObject,
  isWellFormed,
  JsonError,
  type JsonObject,
  type JsonValue,
  LosslessNumber,
} from './json/value.js'
