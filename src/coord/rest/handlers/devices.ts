/** Answers the routes about devices. */

import type { deviceRoutes } from '../../../wire/api/routes/devices.ts'
import type { Plan } from '../../model/ledger.ts'
import type { Node } from '../../model/records.ts'
import { done, refuse, settle, written } from '../answer.ts'
import type { Answer } from '../answer.ts'
import { NO_DEVICE, nodeIn } from '../authorise.ts'
import type { At, Call, Handlers } from '../call.ts'
import { deleteAttribute, patchAttributes, setAttribute } from '../changes/attributes.ts'
import {
  expireDevice,
  removeDevice,
  renameDevice,
  setAddress,
  setAuthorized,
  setKeyExpiry,
  setTags,
} from '../changes/devices.ts'
import { setRoutes } from '../changes/routes.ts'
import { attributesOf } from '../../model/attributes.ts'
import { viewDevice, viewRoutes } from '../views/device.ts'
import { listDevices } from '../views/device-list.ts'
import type { Fields, Wanted } from '../views/device-list.ts'

export const deviceHandlers: Handlers<keyof typeof deviceRoutes> = {
  async listDevices({ at, tools }, { query }) {
    const { fields, ...wanted } = query as Wanted
    return written(await listDevices(at, tools.devices, setOf(fields), wanted, tools.pause))
  },

  getDevice: (call, { params, query }) =>
    show(call, params.deviceId, (node) => viewDevice(call.at, node, setOf(query.fields))),
  getDeviceRoutes: (call, { params }) => show(call, params.deviceId, viewRoutes),
  getDeviceAttributes: (call, { params }) =>
    show(call, params.deviceId, (node) =>
      attributesOf(
        node,
        call.at.tailnet.usersById.get(node.user),
        call.at.tailnet.get('attributes', String(node.id))?.values ?? {},
        call.at.now,
      ),
    ),

  deleteDevice: (call, { params }) => change(call, params.deviceId, removeDevice),
  expireDevice: (call, { params }) => change(call, params.deviceId, expireDevice),
  setDeviceRoutes: (call, { params, body }) =>
    change(call, params.deviceId, (at, node) => setRoutes(at, node, body.routes ?? [])),
  setDeviceAuthorized: (call, { params, body }) =>
    change(call, params.deviceId, (at, node) => setAuthorized(at, node, body.authorized)),
  setDeviceName: (call, { params, body }) =>
    change(call, params.deviceId, (at, node) => renameDevice(at, node, body.name)),
  setDeviceTags: (call, { params, body }) =>
    change(call, params.deviceId, (at, node) => setTags(at, node, body.tags ?? [])),
  setDeviceKey: (call, { params, body }) =>
    change(call, params.deviceId, (at, node) => setKeyExpiry(at, node, body.keyExpiryDisabled)),
  setDeviceIp: (call, { params, body }) => change(call, params.deviceId, (at, node) => setAddress(at, node, body.ipv4)),

  setDeviceAttribute: (call, { params, body }) =>
    change(call, params.deviceId, (at, node) => setAttribute(at, node, params.key, body)),
  deleteDeviceAttribute: (call, { params }) =>
    change(call, params.deviceId, (at, node) => deleteAttribute(at, node, params.key)),
  patchDeviceAttributes: (call, { body }) => call.change((at) => patchAttributes(at, body.nodes)),
}

function show<T>({ at }: Call, ref: string, view: (node: Node) => T): Answer<T> {
  const node = nodeIn(at.tailnet, ref)
  return node === undefined ? refuse(404, NO_DEVICE) : done(view(node))
}

function change<T>(call: Call, ref: string, build: (at: At, node: Node) => Plan<Answer<T>>): Promise<Answer<T>> {
  return call.change((at) => {
    const node = nodeIn(at.tailnet, ref)
    return node === undefined ? settle(refuse(404, NO_DEVICE)) : build(at, node)
  })
}

/** Clients send anything here; only `all` means more than the default. */
function setOf(fields: string | string[] | undefined): Fields {
  return (Array.isArray(fields) ? fields[0] : fields) === 'all' ? 'all' : 'default'
}
