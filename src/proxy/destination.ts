import { isIP, isIPv4, isIPv6 } from 'node:net';

/** Where a connection or request is meant to go. */
export interface Destination {
  /** IP address in canonical form, or a lower-case host name (explicit proxying only). */
  readonly host: string;
  readonly port: number;
}

/** `10.0.0.1:80`, `[fd00::1]:80`, `cart.shop:80`. */
export function formatDestination({ host, port }: Destination): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * Reads `host:port`. The host comes back canonical: lower case, no trailing dot, IPv4-mapped IPv6 as IPv4.
 * @param defaultPort used when there is none; without it a port is demanded
 * @returns undefined when it is neither an address nor a host name (RFC 952, RFC 1123, with `_` as DNS allows)
 */
export function parseDestination(text: string, defaultPort?: number): Destination | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]/@?#]+))(?::([0-9]{1,5}))?$/.exec(text);
  if (match === null) return undefined;
  const port = match[3] === undefined ? defaultPort : Number(match[3]);
  if (port === undefined || port < 1 || port > 65535) return undefined;
  if (match[1] !== undefined) return isIPv6(match[1]) ? { host: canonicalAddress(match[1]), port } : undefined;
  const host = canonicalHost(match[2] ?? '');
  return host === undefined ? undefined : { host, port };
}

/** Lower case without the trailing dot; undefined for what is neither an IPv4 address nor a host name. */
export function canonicalHost(text: string): string | undefined {
  const host = text.toLowerCase().replace(/\.$/, '');
  if (isIP(host) !== 0) return canonicalAddress(host);
  // All-numeric last labels are how inet_aton spells addresses (0x7f.1, 2130706433): never a name
  if (host.length > 253 || /(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)$/.test(host)) return undefined;
  const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
  return host.split('.').every((part) => label.test(part)) ? host : undefined;
}

/** One spelling per address: IPv4-mapped IPv6 becomes IPv4, IPv6 is compressed and lower case, zones are dropped. */
export function canonicalAddress(address: string): string {
  if (isIPv4(address)) return address;
  const plain = address.replace(/%.*$/, '');
  if (!isIPv6(plain)) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain);
  if (mapped?.[1] !== undefined) return mapped[1];
  const compressed = new URL(`http://[${plain}]/`).hostname.slice(1, -1);
  const hex = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(compressed);
  if (hex?.[1] === undefined || hex[2] === undefined) return compressed;
  const high = parseInt(hex[1], 16);
  const low = parseInt(hex[2], 16);
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}

/** Addresses of this machine alone. */
export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

/** The wildcard address, which connects to this machine. */
export function isUnspecified(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

/** 169.254/16 (cloud metadata lives there), fe80::/10, and the IPv6 address of the same metadata services. */
export function isLinkLocal(address: string): boolean {
  return address.startsWith('169.254.') || /^fe[89ab][0-9a-f]:/.test(address) || address === 'fd00:ec2::254';
}
