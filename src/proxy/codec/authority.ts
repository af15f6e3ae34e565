import { HOST } from './chars.ts';

/**
 * Whether `text` is `host` or `host:port` with nothing else (RFC 3986 3.2 without user information): a name, an IPv4
 * address, or an IPv6 address in brackets. An empty host is refused.
 */
export function isAuthority(text: string): boolean {
  const end = text.charCodeAt(0) === 0x5b ? endOfIpv6(text) : endOfName(text);
  if (end <= 0) return false;
  return end === text.length || isPort(text, end);
}

/** Whether two authorities name the same host and port; `port` is the scheme's default. Both must be valid. */
export function sameAuthority(a: string, b: string, port: string): boolean {
  return a === b || withoutPort(a.toLowerCase(), port) === withoutPort(b.toLowerCase(), port);
}

function withoutPort(authority: string, port: string): string {
  return authority.endsWith(`:${port}`) ? authority.slice(0, -port.length - 1) : authority;
}

function endOfName(text: string): number {
  let i = 0;
  while (i < text.length && HOST[text.charCodeAt(i)] === 1) i++;
  return i;
}

/** Only what an address is written with; whether it is a real one shows when it is looked up. */
function endOfIpv6(text: string): number {
  for (let i = 1; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x5d) return i > 2 ? i + 1 : -1;
    const hex = (c >= 0x30 && c <= 0x39) || (c >= 0x61 && c <= 0x66) || (c >= 0x41 && c <= 0x46);
    if (!hex && c !== 0x3a && c !== 0x2e) return -1;
  }
  return -1;
}

function isPort(text: string, colon: number): boolean {
  if (text.charCodeAt(colon) !== 0x3a || text.length - colon < 2 || text.length - colon > 6) return false;
  let port = 0;
  for (let i = colon + 1; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return false;
    port = port * 10 + digit;
  }
  return port <= 65535;
}
