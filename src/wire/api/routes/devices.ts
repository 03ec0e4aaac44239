/** Routes about devices and what is told about them. (api-v2.md §4.1) */

import * as z from 'zod'
import { AttributeValue, Device, DeviceRoutes, PostureAttributes } from '../objects.ts'
import { route } from '../route.ts'
import { DeviceRef, Line, Tags, TailnetRef, Time } from '../words.ts'

const group = 'Devices'
const params = z.object({ deviceId: DeviceRef })
const read = { kind: 'scope', any: ['devices:core'], act: 'read' } as const
const write = { kind: 'scope', any: ['devices:core'], act: 'write' } as const
const postureRead = { kind: 'scope', any: ['devices:posture_attributes'], act: 'read' } as const
const postureWrite = { kind: 'scope', any: ['devices:posture_attributes'], act: 'write' } as const

/** Anything but `all` means the default set. */
const fields = z.string().optional().meta({ description: '`default` or `all`' })
const Attribute = z.object({ value: AttributeValue, expiry: Time.optional() })
const attributeParams = z.object({
  deviceId: DeviceRef,
  key: z.string().max(512).meta({ description: '`custom:` and letters, digits, `_` or `:`; at most 128 in all' }),
})

export const deviceRoutes = {
  listDevices: route({
    method: 'GET',
    path: '/tailnet/{tailnet}/devices',
    summary: 'List devices. Any other query member must equal the device’s member of that name.',
    group,
    access: read,
    params: z.object({ tailnet: TailnetRef }),
    query: z.looseObject({ fields }),
    reply: z.object({ devices: z.array(Device) }),
  }),
  getDevice: route({
    method: 'GET',
    path: '/device/{deviceId}',
    summary: 'Show one device.',
    group,
    access: read,
    params,
    query: z.object({ fields }),
    reply: Device,
  }),
  deleteDevice: route({
    method: 'DELETE',
    path: '/device/{deviceId}',
    summary: 'Delete a device: it is cut off and must join anew.',
    group,
    access: write,
    params,
  }),
  expireDevice: route({
    method: 'POST',
    path: '/device/{deviceId}/expire',
    summary: 'Let the device’s key expire now: it must authenticate again.',
    group,
    access: write,
    params,
  }),
  getDeviceRoutes: route({
    method: 'GET',
    path: '/device/{deviceId}/routes',
    summary: 'Show the routes that a device offers and those that are enabled.',
    group,
    access: { kind: 'scope', any: ['devices:routes'], act: 'read' },
    params,
    reply: DeviceRoutes,
  }),
  setDeviceRoutes: route({
    method: 'POST',
    path: '/device/{deviceId}/routes',
    summary: 'Replace the enabled routes of a device, offered or not.',
    group,
    access: { kind: 'scope', any: ['devices:routes'], act: 'write' },
    params,
    body: z.object({ routes: z.array(z.string().max(64)).max(2048).nullable() }),
    reply: DeviceRoutes,
  }),
  setDeviceAuthorized: route({
    method: 'POST',
    path: '/device/{deviceId}/authorized',
    summary: 'Approve a device, or withdraw its approval.',
    group,
    access: write,
    params,
    body: z.object({ authorized: z.boolean() }),
  }),
  setDeviceName: route({
    method: 'POST',
    path: '/device/{deviceId}/name',
    summary: 'Rename a device, by label or full name; an empty name follows the host name again.',
    group,
    access: write,
    params,
    body: z.object({ name: z.string().max(255) }),
  }),
  setDeviceTags: route({
    method: 'POST',
    path: '/device/{deviceId}/tags',
    summary: 'Replace the tags of a device.',
    group,
    access: write,
    params,
    body: z.object({ tags: Tags.nullish() }),
  }),
  setDeviceKey: route({
    method: 'POST',
    path: '/device/{deviceId}/key',
    summary: 'Say whether the device’s key expires.',
    group,
    access: write,
    params,
    body: z.object({ keyExpiryDisabled: z.boolean() }),
  }),
  setDeviceIp: route({
    method: 'POST',
    path: '/device/{deviceId}/ip',
    summary: 'Give a device another IPv4 address.',
    group,
    access: write,
    params,
    body: z.object({ ipv4: z.string().max(64) }),
  }),
  getDeviceAttributes: route({
    method: 'GET',
    path: '/device/{deviceId}/attributes',
    summary: 'Show the posture attributes of a device.',
    group,
    access: postureRead,
    params,
    reply: PostureAttributes,
  }),
  setDeviceAttribute: route({
    method: 'POST',
    path: '/device/{deviceId}/attributes/{key}',
    summary: 'Set one custom posture attribute.',
    group,
    access: postureWrite,
    params: attributeParams,
    body: z.object({ value: AttributeValue, expiry: Time.nullish(), comment: Line(500).optional() }),
    reply: PostureAttributes,
  }),
  deleteDeviceAttribute: route({
    method: 'DELETE',
    path: '/device/{deviceId}/attributes/{key}',
    summary: 'Remove one custom posture attribute.',
    group,
    access: postureWrite,
    params: attributeParams,
  }),
  patchDeviceAttributes: route({
    method: 'PATCH',
    path: '/tailnet/{tailnet}/device-attributes',
    summary: 'Set (or, with null, remove) custom posture attributes of several devices: all or none.',
    group,
    access: postureWrite,
    params: z.object({ tailnet: TailnetRef }),
    body: z.object({
      nodes: z.record(z.string().max(64), z.record(z.string().max(512), Attribute.nullable())),
      comment: Line(500).optional(),
    }),
    reply: z.null(),
  }),
} as const
