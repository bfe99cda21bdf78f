import type { SyncSources, SyncView } from '../sync-view.js'

/** Messages for a device in one answer. CS API "Send-to-Device messaging", "Server behaviour". */
const PAGE = 100

export interface ToDevicePage {
  readonly messages: readonly string[]
  /** Where the whole answer has to end, so that the client's next token acknowledges these messages and no others. */
  readonly upTo: number
}

/** Read first: when there are more messages than fit, the answer ends with the last of them. */
export async function readToDevice(
  { keyserver }: Pick<SyncSources, 'keyserver'>,
  { requester, since, upTo }: Pick<SyncView, 'requester' | 'since' | 'upTo'>,
): Promise<ToDevicePage> {
  const { userId, deviceId } = requester
  const messages = await keyserver.toDeviceMessages(userId, deviceId, since ?? 0, upTo, PAGE)
  const last = messages.length < PAGE ? undefined : messages.at(-1)
  return { messages: messages.map(({ json }) => json), upTo: last?.position ?? upTo }
}
