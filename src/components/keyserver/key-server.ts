import { KeyedQueue } from '../../platform/keyed-queue.js'
import type { KeyServer } from './api.js'
import { createBackups } from './backups.js'
import type { Context, KeyServerDeps } from './context.js'
import { createCrossSigning } from './cross-signing.js'
import { createDeviceKeys } from './device-keys.js'
import { createDeviceWatch } from './device-watch.js'
import { createKnownDevices } from './known-devices.js'
import { createToDevice } from './to-device.js'

/** End-to-end encryption: keys, signatures, backups and messages to devices. */
export function createKeyServer(deps: KeyServerDeps): KeyServer {
  const context: Context = { ...deps, devices: createKnownDevices(deps), writers: new KeyedQueue() }
  const watch = createDeviceWatch(context)
  return {
    ...createDeviceKeys(context),
    ...createCrossSigning(context),
    ...createToDevice(context),
    ...createBackups(context),
    start: async () => watch.start(),
    stop: () => watch.stop(),
  }
}
