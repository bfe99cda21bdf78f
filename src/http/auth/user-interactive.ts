import type { Requester, UserApi } from '../../components/userapi/index.js'
import type { Clock } from '../../platform/time.js'
import type { UserId } from '../../protocol/ids.js'
import { getObject, getString, isJsonObject, type JsonObject, type JsonValue } from '../../protocol/json.js'
import { type Errcode, MatrixError } from '../../protocol/matrix-error.js'
import type { RateLimits } from '../rate-limit.js'
import type { Captcha } from './captcha.js'
import { identifiedUser } from './identifier.js'
import { InteractiveAuthRequired } from './interactive-error.js'
import { type InteractiveSession, InteractiveSessions } from './interactive-sessions.js'

export interface InteractiveAttempt {
  /** Undefined where nobody is logged in: registration, a password change without a token. */
  readonly requester?: Requester | undefined
  /** Each a list of stages that together are enough: `[['m.login.password']]`. */
  readonly flows: readonly (readonly string[])[]
  /** The request's body; only its `auth` is looked at. */
  readonly body: { readonly auth?: JsonValue | undefined }
  readonly request: {
    readonly path: string
    readonly params: object
    readonly clientAddress: string
  }
}

export interface Authorised {
  readonly completed: readonly string[]
  /** The requester, or who proved to know their password. */
  readonly userId: UserId | undefined
  /** What was shown for `m.login.registration_token`: valid a while ago. */
  readonly registrationToken: string | undefined
}

export type StageOutcome =
  | { readonly passed: true }
  | { readonly passed: false; readonly errcode: Errcode; readonly why: string }

/** User-interactive authentication (CS "User-Interactive Authentication API"). */
export interface UserInteractiveAuth {
  /** What the page of `m.login.recaptcha` needs to know. */
  readonly captcha: Captcha | undefined
  /** The id of the session that the attempt names, or of a new one, for what a route keeps beside it. @throws as `authorise` */
  open(attempt: InteractiveAttempt): string
  /**
   * Returns when a flow is complete; the session is then used up. `session`: what `open` has returned.
   * @throws InteractiveAuthRequired (401 with flows, session, completed), MatrixError M_FORBIDDEN when somebody else's
   *   password was given, M_LIMIT_EXCEEDED
   */
  authorise(attempt: InteractiveAttempt, session?: string): Promise<Authorised>
  /** For the fallback pages: whose password a stage of an open session asks for. Undefined: no such session or stage. */
  stage(sessionId: string, stage: string): { readonly userId: UserId | undefined; readonly done: boolean } | undefined
  /** Proves a stage outside of the request itself. @throws as `authorise` */
  complete(sessionId: string, auth: JsonObject, clientAddress: string): Promise<StageOutcome>
  /** A password check that slows guessing down, for logins too. @throws MatrixError M_LIMIT_EXCEEDED */
  checkPassword(userId: UserId, password: string, clientAddress: string): Promise<boolean>
}

export interface UserInteractiveDeps {
  readonly userapi: Pick<UserApi, 'account' | 'checkPassword' | 'serverName' | 'isLocal' | 'isRegistrationTokenValid'>
  readonly limits: RateLimits
  readonly time: Clock
  /** Undefined: `m.login.recaptcha` is in no flow. */
  readonly captcha: Captcha | undefined
}

export function createUserInteractiveAuth(deps: UserInteractiveDeps): UserInteractiveAuth {
  const { userapi, limits, time, captcha } = deps
  const sessions = new InteractiveSessions(time)

  const sessionFor = (
    { requester, flows, request }: InteractiveAttempt,
    id: string | undefined,
  ): InteractiveSession => {
    const boundTo = JSON.stringify([request.path, request.params, requester?.userId ?? null])
    return sessions.open(id, { boundTo, flows, userId: requester?.userId })
  }

  const checkPassword = async (userId: UserId, password: string, clientAddress: string): Promise<boolean> => {
    limits.checkPasswordAttempts(userId, clientAddress)
    const isRight = await userapi.checkPassword(userId, password)
    if (!isRight) limits.passwordFailed(userId, clientAddress)
    return isRight
  }

  const passwordStage = async (session: InteractiveSession, auth: JsonObject, from: string): Promise<StageOutcome> => {
    const wrong: StageOutcome = { passed: false, errcode: 'M_FORBIDDEN', why: 'Invalid username or password' }
    const password = getString(auth, 'password')
    const isNamed = getObject(auth, 'identifier') !== undefined || getString(auth, 'user') !== undefined
    const userId = isNamed ? await identifiedUser(userapi, auth) : session.userId
    if (userId === undefined || password === undefined) return wrong
    if (session.userId !== undefined && session.userId !== userId) {
      throw new MatrixError('M_FORBIDDEN', 'The password has to be that of the account concerned')
    }
    if (!(await checkPassword(userId, password, from))) return wrong
    session.userId = userId
    return { passed: true }
  }

  const tokenStage = async (session: InteractiveSession, auth: JsonObject, from: string): Promise<StageOutcome> => {
    const guesser = `registration token ${from}`
    limits.checkPasswordAttempts(guesser, from)
    const token = getString(auth, 'token')
    if (token === undefined || !(await userapi.isRegistrationTokenValid(token))) {
      limits.passwordFailed(guesser, from)
      return { passed: false, errcode: 'M_UNAUTHORIZED', why: 'Invalid registration token' }
    }
    session.registrationToken = token
    return { passed: true }
  }

  const captchaStage = async (auth: JsonObject, from: string): Promise<StageOutcome> => {
    const response = getString(auth, 'response')
    if (response === undefined) return { passed: false, errcode: 'M_CAPTCHA_NEEDED', why: 'A captcha is required' }
    if (captcha !== undefined && (await captcha.verify(response, from))) return { passed: true }
    return { passed: false, errcode: 'M_CAPTCHA_INVALID', why: 'The captcha was not accepted' }
  }

  const stageOutcome = (session: InteractiveSession, auth: JsonObject, from: string): Promise<StageOutcome> => {
    const type = getString(auth, 'type')
    if (type === undefined || !session.flows.some((flow) => flow.includes(type))) {
      return Promise.resolve({ passed: false, errcode: 'M_UNRECOGNIZED', why: 'This is no stage of the flows' })
    }
    if (type === 'm.login.password') return passwordStage(session, auth, from)
    if (type === 'm.login.registration_token') return tokenStage(session, auth, from)
    if (type === 'm.login.recaptcha') return captchaStage(auth, from)
    if (type === 'm.login.dummy') return Promise.resolve({ passed: true })
    return Promise.resolve({ passed: false, errcode: 'M_UNRECOGNIZED', why: 'This stage is not supported' })
  }

  const attemptStage = async (session: InteractiveSession, auth: JsonObject, from: string): Promise<StageOutcome> => {
    const outcome = await stageOutcome(session, auth, from)
    if (outcome.passed) session.completed.add(getString(auth, 'type') ?? '')
    return outcome
  }

  const paramsOf = ({ flows }: InteractiveSession): JsonObject => {
    if (captcha === undefined || !flows.some((flow) => flow.includes('m.login.recaptcha'))) return {}
    return { 'm.login.recaptcha': { public_key: captcha.publicKey } }
  }

  return {
    captcha,
    checkPassword,
    open: (attempt) => sessionFor(attempt, sessionOf(authOf(attempt))).id,

    async authorise(attempt, sessionId) {
      const auth = authOf(attempt)
      const session = sessionFor(attempt, sessionId ?? sessionOf(auth))
      let outcome: StageOutcome = { passed: true }
      if (auth !== undefined && getString(auth, 'type') !== undefined) {
        outcome = await attemptStage(session, auth, attempt.request.clientAddress)
      }
      const isComplete = session.flows.some((flow) => flow.every((stage) => session.completed.has(stage)))
      if (outcome.passed && isComplete && sessions.use(session)) {
        return {
          completed: [...session.completed],
          userId: session.userId,
          registrationToken: session.registrationToken,
        }
      }
      throw new InteractiveAuthRequired({
        ...(outcome.passed ? {} : { errcode: outcome.errcode, error: outcome.why }),
        flows: session.flows.map((stages) => ({ stages: [...stages] })),
        params: paramsOf(session),
        session: session.id,
        completed: [...session.completed],
      })
    },

    stage(sessionId, stage) {
      const session = sessions.get(sessionId)
      if (session?.flows.some((flow) => flow.includes(stage)) !== true) return undefined
      return { userId: session.userId, done: session.completed.has(stage) }
    },

    async complete(sessionId, auth, clientAddress) {
      const session = sessions.get(sessionId)
      if (session !== undefined) return attemptStage(session, auth, clientAddress)
      return { passed: false, errcode: 'M_UNRECOGNIZED', why: 'The authentication session is over' }
    },
  }
}

function authOf(attempt: InteractiveAttempt): JsonObject | undefined {
  return isJsonObject(attempt.body.auth) ? attempt.body.auth : undefined
}

function sessionOf(auth: JsonObject | undefined): string | undefined {
  return auth && getString(auth, 'session')
}
