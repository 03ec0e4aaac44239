/** Answers the routes about devices. */

import type { Device } from '../../../wire/api/objects.ts'
import type { deviceRoutes } from '../../../wire/api/routes/devices.ts'
import type { Plan } from '../../model/ledger.ts'
import type { Node } from '../../model/records.ts'
import { done, refuse, settle } from '../answer.ts'
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

export const deviceHandlers: Handlers<keyof typeof deviceRoutes> = {
  listDevices({ at }, { query }) {
    const { fields, ...wanted } = query as Readonly<Record<string, string | string[] | undefined>>
    const devices = [...at.tailnet.nodesById.values()]
      .sort((a, b) => a.id - b.id)
      .filter((node) => Object.keys(wanted).length === 0 || isLike(viewDevice(at, node, 'all'), wanted))
      .map((node) => viewDevice(at, node, setOf(fields)))
    return done({ devices })
  },

  getDevice: (call, { params, query }) =>
    show(call, params.deviceId, (node) => viewDevice(call.at, node, setOf(query.fields))),
  getDeviceRoutes: (call, { params }) => show(call, params.deviceId, viewRoutes),
  getDeviceAttributes: (call, { params }) =>
    show(call, params.deviceId, (node) =>
      attributesOf(node, call.at.tailnet.get('attributes', String(node.id))?.values ?? {}, call.at.now),
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
function setOf(fields: string | string[] | undefined): 'default' | 'all' {
  return (Array.isArray(fields) ? fields[0] : fields) === 'all' ? 'all' : 'default'
}

/** Each member asked for must have a value that was asked for; of a list, all that were asked for must be items. */
function isLike(device: Device, wanted: Readonly<Record<string, string | string[] | undefined>>): boolean {
  return Object.entries(wanted).every(([member, asked]) => {
    const texts = [asked ?? []].flat()
    const value = Object.hasOwn(device, member) ? device[member as keyof Device] : undefined
    if (Array.isArray(value)) return texts.every((text) => value.includes(text))
    return texts.some((text) => (typeof value === 'boolean' ? String(value) === text : value === text))
  })
}
