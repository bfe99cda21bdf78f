import { randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Requester, UserApi } from '../../components/userapi/index.js'
import type { Clock } from '../../platform/time.js'
import type { UserId } from '../../protocol/ids.js'
import { getObject, getString, isJsonObject, type JsonObject, type JsonValue } from '../../protocol/json.js'
import { type Errcode, MatrixError } from '../../protocol/matrix-error.js'
import type { RateLimits } from '../rate-limit.js'
import { identifiedUser } from './identifier.js'
import { InteractiveAuthRequired } from './interactive-error.js'

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
}

/** User-interactive authentication (CS "User-Interactive Authentication API"). */
export interface UserInteractiveAuth {
  /**
   * Returns when a flow is complete; the session is then used up.
   * @throws InteractiveAuthRequired (401 with flows, session, completed), MatrixError M_FORBIDDEN when somebody else's
   *   password was given, M_LIMIT_EXCEEDED
   */
  authorise(attempt: InteractiveAttempt): Promise<Authorised>
  /** A password check that slows guessing down, for logins too. @throws MatrixError M_LIMIT_EXCEEDED */
  checkPassword(userId: UserId, password: string, clientAddress: string): Promise<boolean>
}

/**
 * What has been proved so far. It lives in memory: when it is lost the client starts over. It holds neither the request's
 * body nor any password.
 */
interface Session {
  readonly id: string
  /** The request it was opened for: method, path, parameters and user. Good for no other. */
  readonly boundTo: string
  readonly completed: Set<string>
  readonly expiresAt: number
  userId: UserId | undefined
}

type StageOutcome =
  | { readonly passed: true }
  | { readonly passed: false; readonly errcode: Errcode; readonly why: string }

const SESSION_MS = 15 * 60_000
const SESSIONS = 10_000

export interface UserInteractiveDeps {
  readonly userapi: Pick<UserApi, 'account' | 'checkPassword' | 'serverName' | 'isLocal'>
  readonly limits: RateLimits
  readonly time: Clock
}

export function createUserInteractiveAuth({ userapi, limits, time }: UserInteractiveDeps): UserInteractiveAuth {
  const sessions = new LRUCache<string, Session>({ max: SESSIONS })

  const sessionFor = (attempt: InteractiveAttempt, given: string | undefined): Session => {
    const boundTo = JSON.stringify([attempt.request.path, attempt.request.params, attempt.requester?.userId ?? null])
    const known = given === undefined ? undefined : sessions.get(given)
    if (known !== undefined && known.expiresAt > time.monotonic()) {
      if (known.boundTo === boundTo) return known
      throw new MatrixError('M_FORBIDDEN', 'This authentication session was opened for another request')
    }
    const id = randomBytes(18).toString('base64url')
    const opened: Session = {
      id,
      boundTo,
      completed: new Set(),
      expiresAt: time.monotonic() + SESSION_MS,
      userId: attempt.requester?.userId,
    }
    sessions.set(id, opened)
    return opened
  }

  const checkPassword = async (userId: UserId, password: string, clientAddress: string): Promise<boolean> => {
    limits.checkPasswordAttempts(userId, clientAddress)
    const isRight = await userapi.checkPassword(userId, password)
    if (!isRight) limits.passwordFailed(userId, clientAddress)
    return isRight
  }

  const passwordStage = async (
    attempt: InteractiveAttempt,
    session: Session,
    auth: JsonObject,
  ): Promise<StageOutcome> => {
    const wrong: StageOutcome = { passed: false, errcode: 'M_FORBIDDEN', why: 'Invalid username or password' }
    const password = getString(auth, 'password')
    const isNamed = getObject(auth, 'identifier') !== undefined || getString(auth, 'user') !== undefined
    const userId = isNamed ? await identifiedUser(userapi, auth) : session.userId
    if (userId === undefined || password === undefined) return wrong
    if (session.userId !== undefined && session.userId !== userId) {
      throw new MatrixError('M_FORBIDDEN', 'The password has to be that of the account concerned')
    }
    if (!(await checkPassword(userId, password, attempt.request.clientAddress))) return wrong
    session.userId = userId
    return { passed: true }
  }

  const stageOutcome = (attempt: InteractiveAttempt, session: Session, auth: JsonObject): Promise<StageOutcome> => {
    const type = getString(auth, 'type')
    if (type === undefined || !attempt.flows.some((flow) => flow.includes(type))) {
      return Promise.resolve({ passed: false, errcode: 'M_UNRECOGNIZED', why: 'This is no stage of the flows' })
    }
    if (type === 'm.login.password') return passwordStage(attempt, session, auth)
    if (type === 'm.login.dummy') return Promise.resolve({ passed: true })
    return Promise.resolve({ passed: false, errcode: 'M_UNRECOGNIZED', why: 'This stage is not supported' })
  }

  return {
    checkPassword,
    async authorise(attempt) {
      const auth = isJsonObject(attempt.body.auth) ? attempt.body.auth : undefined
      const session = sessionFor(attempt, auth && getString(auth, 'session'))
      let outcome: StageOutcome = { passed: true }
      if (auth !== undefined && getString(auth, 'type') !== undefined) {
        outcome = await stageOutcome(attempt, session, auth)
        if (outcome.passed) session.completed.add(getString(auth, 'type') ?? '')
      }
      const isComplete = attempt.flows.some((flow) => flow.every((stage) => session.completed.has(stage)))
      // Deleting is what uses it up: of two requests at the same time one is the first.
      if (outcome.passed && isComplete && sessions.delete(session.id)) {
        return { completed: [...session.completed], userId: session.userId }
      }
      throw new InteractiveAuthRequired({
        ...(outcome.passed ? {} : { errcode: outcome.errcode, error: outcome.why }),
        flows: attempt.flows.map((stages) => ({ stages })),
        params: {},
        session: session.id,
        completed: [...session.completed],
      })
    },
  }
}
