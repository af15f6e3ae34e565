import { canonicalAddress, parseDestination, type Destination } from '../destination.ts';

/** RFC 1928, as far as an app's CONNECT needs it: no authentication, no BIND, no UDP. */
const VERSION = 5;
const NO_AUTHENTICATION = 0;
const NO_ACCEPTABLE_METHOD = 0xff;
const CONNECT = 1;
const IPV4 = 1;
const DOMAIN = 3;
const IPV6 = 4;

export const SOCKS_REPLY = {
  succeeded: 0,
  failure: 1,
  notAllowed: 2,
  hostUnreachable: 4,
  commandNotSupported: 7,
  addressNotSupported: 8,
} as const;

export type SocksReply = (typeof SOCKS_REPLY)[keyof typeof SOCKS_REPLY];

/** `more`: the message is not complete yet. `length`: its bytes, what follows belongs to the next. */
export type SocksMessage<T> = 'more' | (T & { readonly length: number });

/** The client's list of methods: our answer to it. */
export function parseGreeting(bytes: Buffer): SocksMessage<{ readonly accepted: boolean; readonly answer: Buffer }> {
  if (bytes.length < 2 || bytes.length < 2 + bytes[1]!) return 'more';
  const length = 2 + bytes[1]!;
  const accepted = bytes.subarray(2, length).includes(NO_AUTHENTICATION);
  const answer = Buffer.from([VERSION, accepted ? NO_AUTHENTICATION : NO_ACCEPTABLE_METHOD]);
  return { accepted, answer, length };
}

/** The client's request: where it wants to go, or the reply that refuses it. */
export function parseRequest(bytes: Buffer): SocksMessage<{ readonly destination: Destination | SocksReply }> {
  if (bytes.length < 5) return 'more';
  const [version, command, , type, first] = bytes as unknown as [number, number, number, number, number];
  const hostLength = type === IPV4 ? 4 : type === IPV6 ? 16 : type === DOMAIN ? first + 1 : -1;
  if (hostLength === -1) return { destination: SOCKS_REPLY.addressNotSupported, length: bytes.length };
  const length = 4 + hostLength + 2;
  if (bytes.length < length) return 'more';
  if (version !== VERSION) return { destination: SOCKS_REPLY.failure, length };
  if (command !== CONNECT) return { destination: SOCKS_REPLY.commandNotSupported, length };
  const port = bytes.readUInt16BE(4 + hostLength);
  const host = bytes.subarray(4, 4 + hostLength);
  const destination = readHost(type, host, port);
  return { destination: destination ?? SOCKS_REPLY.addressNotSupported, length };
}

function readHost(type: number, host: Buffer, port: number): Destination | undefined {
  if (port === 0) return undefined;
  if (type === IPV4) return { host: [...host].join('.'), port };
  if (type === DOMAIN) return parseDestination(`${host.toString('latin1', 1)}:${port}`);
  const groups = Array.from({ length: 8 }, (_, i) => host.readUInt16BE(2 * i).toString(16));
  return { host: canonicalAddress(groups.join(':')), port };
}

/** The answer to a request. The bound address is not told: nobody needs it for CONNECT. */
export function socksReply(reply: SocksReply): Buffer {
  return Buffer.from([VERSION, reply, 0, IPV4, 0, 0, 0, 0, 0, 0]);
}
