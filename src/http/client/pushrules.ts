import { z } from 'zod'
import { getArray, getObject, isJsonObject, type JsonObject } from '../../protocol/json.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { jsonObjectSchema, jsonValueSchema } from '../schema/json.js'

const BASE = '/_matrix/client/v3/pushrules'
const ruleParams = z.object({ scope: z.string(), kind: z.string(), ruleId: z.string() })
const placeQuery = z.object({ before: z.string().optional(), after: z.string().optional() })

/** The only scope since device rules went away (v1.12). */
function checkScope(scope: string): void {
  if (scope !== 'global') throw new MatrixError('M_INVALID_PARAM', `There are no push rules of the scope ${scope}`)
}

/** pushrules.yaml, and the listings of one scope and of one kind that older clients ask for. */
export function pushRulesRoutes({ pushserver }: Pick<RouteDeps, 'pushserver'>): Route[] {
  const shared = { versions: ['r0'], auth: 'user' } as const
  return [
    route({
      ...shared,
      method: 'GET',
      path: `${BASE}/`,
      handler: ({ user }) => pushserver.pushRules(user.userId),
    }),
    route({
      ...shared,
      method: 'GET',
      path: `${BASE}/{scope}/`,
      params: z.object({ scope: z.string() }),
      async handler({ user, params }) {
        checkScope(params.scope)
        return getObject(await pushserver.pushRules(user.userId), 'global') ?? {}
      },
    }),
    route({
      ...shared,
      method: 'GET',
      path: `${BASE}/{scope}/{kind}/`,
      params: z.object({ scope: z.string(), kind: z.string() }),
      async handler({ user, params }) {
        checkScope(params.scope)
        const rules = getObject(await pushserver.pushRules(user.userId), 'global') ?? {}
        const ofKind = Object.hasOwn(rules, params.kind) ? getArray(rules, params.kind) : undefined
        if (ofKind === undefined) throw new MatrixError('M_INVALID_PARAM', `There is no push rule kind ${params.kind}`)
        return ofKind
      },
    }),
    ...ruleRoutes(pushserver, shared),
    ...enabledRoutes(pushserver, shared),
    ...actionsRoutes(pushserver, shared),
    ...incompleteRoutes(shared),
  ]
}

interface Shared {
  readonly versions: readonly string[]
  readonly auth: 'user'
}

/** Paths that name no rule, or something that rules do not have: a parameter is wrong, not the address. */
function incompleteRoutes(shared: Shared): Route[] {
  const rule = `${BASE}/{scope}/{kind}/{ruleId}`
  const paths = [
    ['GET', `${BASE}/{scope}`],
    ['GET', `${BASE}/{scope}/{kind}`],
    ['GET', `${rule}/{attribute}`],
    ['PUT', `${BASE}/`],
    ['PUT', `${BASE}/{scope}`],
    ['PUT', `${BASE}/{scope}/{kind}`],
    ['PUT', `${BASE}/{scope}/{kind}/`],
    ['PUT', `${rule}/{attribute}`],
  ] as const
  return paths.map(([method, path]) =>
    route({
      ...shared,
      method,
      path,
      async handler(): Promise<object> {
        throw new MatrixError('M_INVALID_PARAM', 'A push rule is named by scope, kind and rule ID')
      },
    }),
  )
}

function ruleRoutes(pushserver: RouteDeps['pushserver'], shared: Shared): Route[] {
  const path = `${BASE}/{scope}/{kind}/{ruleId}`
  return [
    route({
      ...shared,
      method: 'GET',
      path,
      params: ruleParams,
      async handler({ user, params }) {
        checkScope(params.scope)
        return pushserver.pushRule(user.userId, params.kind, params.ruleId)
      },
    }),
    route({
      ...shared,
      method: 'PUT',
      path,
      rateLimit: 'client',
      params: ruleParams,
      query: placeQuery,
      body: jsonObjectSchema,
      async handler({ user, params, query, body }) {
        checkScope(params.scope)
        const { before, after } = query
        const place = { ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) }
        await pushserver.putPushRule(user.userId, params.kind, params.ruleId, body, place)
        return {}
      },
    }),
    route({
      ...shared,
      method: 'DELETE',
      path,
      rateLimit: 'client',
      params: ruleParams,
      async handler({ user, params }) {
        checkScope(params.scope)
        await pushserver.deletePushRule(user.userId, params.kind, params.ruleId)
        return {}
      },
    }),
  ]
}

function enabledRoutes(pushserver: RouteDeps['pushserver'], shared: Shared): Route[] {
  const path = `${BASE}/{scope}/{kind}/{ruleId}/enabled`
  return [
    route({
      ...shared,
      method: 'GET',
      path,
      params: ruleParams,
      async handler({ user, params }) {
        checkScope(params.scope)
        const rule = await pushserver.pushRule(user.userId, params.kind, params.ruleId)
        return { enabled: rule.enabled === true }
      },
    }),
    route({
      ...shared,
      method: 'PUT',
      path,
      rateLimit: 'client',
      params: ruleParams,
      // Clients of old send the bare value.
      body: jsonValueSchema,
      async handler({ user, params, body }) {
        checkScope(params.scope)
        const enabled = isJsonObject(body) ? body.enabled : body
        if (typeof enabled !== 'boolean') throw new MatrixError('M_BAD_JSON', 'enabled: a boolean is expected')
        await pushserver.setPushRuleEnabled(user.userId, params.kind, params.ruleId, enabled)
        return {}
      },
    }),
  ]
}

function actionsRoutes(pushserver: RouteDeps['pushserver'], shared: Shared): Route[] {
  const path = `${BASE}/{scope}/{kind}/{ruleId}/actions`
  return [
    route({
      ...shared,
      method: 'GET',
      path,
      params: ruleParams,
      async handler({ user, params }): Promise<JsonObject> {
        checkScope(params.scope)
        const rule = await pushserver.pushRule(user.userId, params.kind, params.ruleId)
        return { actions: getArray(rule, 'actions') ?? [] }
      },
    }),
    route({
      ...shared,
      method: 'PUT',
      path,
      rateLimit: 'client',
      params: ruleParams,
      body: jsonObjectSchema,
      async handler({ user, params, body }) {
        checkScope(params.scope)
        await pushserver.setPushRuleActions(user.userId, params.kind, params.ruleId, body.actions)
        return {}
      },
    }),
  ]
}
