/** What the first bytes of a connection say; `more`: they fit several, wait for the next ones. */
export type Detected = 'http1' | 'http2' | 'tls' | 'other' | 'more';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** Longest method that is still taken for HTTP; WebDAV's longest is BASELINE-CONTROL. */
const MAX_METHOD = 24;

/**
 * Decides by the first bytes of a connection what it speaks. Never needs more than 256 bytes of a request line: a
 * method, a space and the beginning of a target (`/`, `*`, a letter or digit, `[`) are taken for HTTP/1.
 * @param bytes all that has come so far
 */
export function detect(bytes: Buffer): Detected {
  if (bytes.length === 0) return 'more';
  if (bytes[0] === 0x16) return detectTls(bytes);
  if (startsLike(bytes, PREFACE)) return bytes.length >= PREFACE.length ? 'http2' : 'more';
  return detectHttp1(bytes);
}

/** RFC 8446 5.1: handshake record, version 3.x, and inside of it a ClientHello (1). */
function detectTls(bytes: Buffer): Detected {
  if (bytes.length >= 2 && bytes[1] !== 3) return 'other';
  if (bytes.length < 6) return 'more';
  return bytes[5] === 1 ? 'tls' : 'other';
}

function startsLike(bytes: Buffer, pattern: Buffer): boolean {
  const n = Math.min(bytes.length, pattern.length);
  return bytes.compare(pattern, 0, n, 0, n) === 0;
}

/** Standard methods are upper case letters; WebDAV adds `-`. Anything else goes through as opaque bytes. */
function detectHttp1(bytes: Buffer): Detected {
  let i = 0;
  for (; i < bytes.length && i <= MAX_METHOD; i++) {
    const c = bytes[i]!;
    if (c === 0x20) break;
    if (!((c >= 0x41 && c <= 0x5a) || c === 0x2d)) return 'other';
  }
  if (i > MAX_METHOD || i === 0) return i === 0 && bytes.length > 0 ? 'other' : i > MAX_METHOD ? 'other' : 'more';
  if (i >= bytes.length - 1) return 'more';
  return isTargetStart(bytes[i + 1]!) ? detectVersion(bytes, i + 1) : 'other';
}

function isTargetStart(c: number): boolean {
  return (
    c === 0x2f ||
    c === 0x2a ||
    c === 0x5b ||
    (c >= 0x30 && c <= 0x39) ||
    (c >= 0x61 && c <= 0x7a) ||
    (c >= 0x41 && c <= 0x5a)
  );
}

/**
 * A text protocol such as memcached's or SMTP's `HELO mail.example` looks like a request line up to its target. So the
 * line must go on with ` HTTP/`, unless it is longer than any greeting.
 */
function detectVersion(bytes: Buffer, target: number): Detected {
  for (let i = target; i < bytes.length; i++) {
    if (i - target > 255) return 'http1';
    const c = bytes[i]!;
    if (c === 0x20) {
      const rest = bytes.toString('latin1', i + 1, i + 6);
      if ('HTTP/'.startsWith(rest)) return rest.length === 5 ? 'http1' : 'more';
      return 'other';
    }
    if (c < 0x21 || c > 0x7e) return 'other';
  }
  return 'more';
}
