/**
 * A TUN device: opened with all that its kernel can do for us, or with as much of it as there is. Addresses, routes,
 * the MTU and the length of its queue are set elsewhere; so is moving packets.
 *
 * With offloads a read brings up to 64 KiB of one flow in one piece, and a write takes as much (packet/cut.ts and
 * packet/join.ts); without, every packet comes alone and complete, with an empty virtio header before it either way.
 */

import { MeshError } from '../../base/errors.ts'
import { Arena } from '../../crypto/io/raw-memory.ts'
import { done, kernel, O_CLOEXEC, O_NONBLOCK, O_RDWR } from './kernel.ts'

/** From Linux's if_tun.h. */
const TUNSETIFF = 0x400454ca
const TUNSETOFFLOAD = 0x400454d0
const IFF_TUN = 0x0001
const IFF_MULTI_QUEUE = 0x0100
const IFF_NO_PI = 0x1000
const IFF_VNET_HDR = 0x4000
const TUN_F_CSUM = 0x01
const TUN_F_TSO4 = 0x02
const TUN_F_TSO6 = 0x04
const TUN_F_USO4 = 0x20
const TUN_F_USO6 = 0x40

const NAME_MOST = 15
/** `struct ifreq`: the name, then what is asked for. */
const IFREQ = 40
const IFREQ_FLAGS = 16

export interface TunDevice {
  readonly fd: number
  /** As the kernel named it. */
  readonly name: string
  /** Segments of TCP come and go in one piece. */
  readonly offloads: boolean
  /** Datagrams too (Linux 6.2 on). */
  readonly joinsUdp: boolean
  close(): void
}

export interface TunOptions {
  /** `sett0`, or with `%d` where the kernel is to put a number. */
  readonly name: string
  /** Ask for no offloads, as on a kernel that has none. */
  readonly plain?: boolean
  /** One of several queues of the device, each opened like this: the kernel spreads flows over them. */
  readonly multiQueue?: boolean
}

/**
 * Opens a device, made when there is none of the name; it goes with its last descriptor. Reads do not wait.
 *
 * @throws MeshError `input/invalid` for a name that no device can have, `system/refused` with the kernel's reason
 */
export function openTun({ name, plain = false, multiQueue = false }: TunOptions): TunDevice {
  if (!/^[A-Za-z0-9_.%-]+$/.test(name) || name.length > NAME_MOST || name === '.' || name === '..')
    throw new MeshError(
      'input/invalid',
      `Cannot open TUN device ${JSON.stringify(name)}: want up to ${NAME_MOST} letters, digits, "-", "_" or "."`,
    )
  const k = kernel()
  const arena = new Arena(IFREQ)
  const fd = done(
    k.open('/dev/net/tun', O_RDWR | O_NONBLOCK | O_CLOEXEC),
    'open /dev/net/tun (is the "tun" module loaded, and are you root?)',
  )
  try {
    arena.put(0, new TextEncoder().encode(name))
    const flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | (multiQueue ? IFF_MULTI_QUEUE : 0)
    arena.put(IFREQ_FLAGS, new Uint8Array([flags & 0xff, flags >> 8]))
    done(k.ioctl(fd, TUNSETIFF, arena.address(0, IFREQ)), `open TUN device "${name}"`)
    const given = new TextDecoder().decode(arena.take(0, NAME_MOST + 1)).split('\0', 1)[0] as string
    const can = (offloads: number): boolean => !plain && k.ioctl(fd, TUNSETOFFLOAD, offloads) >= 0
    const tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6
    const joinsUdp = can(tcp | TUN_F_USO4 | TUN_F_USO6)
    const offloads = joinsUdp || can(tcp)
    return { fd, name: given, offloads, joinsUdp, close: () => void k.close(fd) }
  } catch (error) {
    k.close(fd)
    throw error
  }
}
