import type { Socket } from 'node:net';
import { endianness } from 'node:os';
import { canonicalAddress, type Destination } from './destination.ts';

/** Tells where a connection was going before the kernel redirected it; undefined when the kernel does not know. */
export type OriginalDestination = (socket: Socket) => Destination | undefined;

/** linux/in.h and linux/in6.h; SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST are both 80. */
const SOL_IP = 0;
const SOL_IPV6 = 41;
const SO_ORIGINAL_DST = 80;
const AF_INET = 2;
const AF_INET6 = 10;
const SOCKADDR_IN6_BYTES = 28;

/**
 * getsockopt(SO_ORIGINAL_DST) on the socket's descriptor. With TPROXY there is no translation to undo: the local
 * address is the original destination, and is what comes back where netfilter has none.
 * Loads koffi, so only proxies with a redirected listener pay for it.
 */
export async function loadOriginalDestination(): Promise<OriginalDestination> {
  const { default: koffi } = await import('koffi');
  const libc = koffi.load(null); // the node binary itself, which links libc: the same name on glibc and musl
  const getsockopt = libc.func(
    'int getsockopt(int fd, int level, int optname, _Out_ uint8_t *optval, _Inout_ uint32_t *optlen)',
  ) as (fd: number, level: number, name: number, value: Buffer, length: number[]) => number;
  const buffer = Buffer.alloc(SOCKADDR_IN6_BYTES);
  const ask = (fd: number, level: number) =>
    getsockopt(fd, level, SO_ORIGINAL_DST, buffer, [buffer.length]) === 0 ? parseSockaddr(buffer) : undefined;
  return function originalDestination(socket) {
    const fd = descriptor(socket);
    if (fd === undefined) return undefined;
    // A dual-stack listener holds IPv4 connections on IPv6 sockets: SOL_IP answers for those
    const v4 = socket.localFamily === 'IPv4' || socket.localAddress?.startsWith('::ffff:') === true;
    return ask(fd, v4 ? SOL_IP : SOL_IPV6) ?? localDestination(socket);
  };
}

/** Where the connection arrived. */
export function localDestination(socket: Socket): Destination | undefined {
  const { localAddress, localPort } = socket;
  if (localAddress === undefined || localPort === undefined) return undefined;
  return { host: canonicalAddress(localAddress), port: localPort };
}

/**
 * Reads a sockaddr_in or sockaddr_in6 of this machine.
 * @returns undefined for other families
 */
export function parseSockaddr(bytes: Buffer): Destination | undefined {
  const family = endianness() === 'LE' ? bytes.readUInt16LE(0) : bytes.readUInt16BE(0);
  const port = bytes.readUInt16BE(2); // network order
  if (family === AF_INET) return { host: [...bytes.subarray(4, 8)].join('.'), port };
  if (family !== AF_INET6) return undefined;
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(8 + 2 * i).toString(16));
  return { host: canonicalAddress(groups.join(':')), port };
}

/** `_handle.fd` is private but stable (nodejs/node#8974: it will not vanish quietly); -1 after the handle is closed. */
function descriptor(socket: Socket): number | undefined {
  const fd = (socket as unknown as { _handle?: { fd?: number } | null })._handle?.fd;
  return fd === undefined || fd < 0 ? undefined : fd;
}
