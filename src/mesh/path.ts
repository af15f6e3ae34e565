/**
 * One form of a request's path, decided before any rule looks at it: what is matched is what is forwarded
 * (`smi.md` H2). Applied only where HTTP rules are enforced; elsewhere the bytes pass untouched.
 */

const SLASH = 0x2f;
const DOT = 0x2e;
const PERCENT = 0x25;
const QUESTION = 0x3f;
const HASH = 0x23;
const BACKSLASH = 0x5c;

/**
 * The normal form of an origin-form target: unreserved characters decoded, escapes in upper case (RFC 3986 6.2.2),
 * double slashes merged, dot segments resolved; the query is kept as it is. Undefined = refuse with PATH_REJECTED:
 * `%2f`, `%5c`, `%00`, a broken or overlong escape, a raw backslash, blank, control or non-ASCII character, `#`, or a
 * dot segment that hides behind `;` (`..;` is `..` to some servers). Idempotent. `*` (OPTIONS) stays.
 */
export function normaliseTarget(target: string): string | undefined {
  if (target.charCodeAt(0) !== SLASH) return target === '*' ? target : undefined;
  let end = target.length; // of the path
  let clean = true;
  let previous = 0;
  for (let i = 0; i < target.length; i++) {
    const c = target.charCodeAt(i);
    if (c <= 0x20 || c >= 0x7f || c === HASH) return undefined;
    if (end < target.length) continue; // in the query
    if (c === QUESTION) end = i;
    else if (c === BACKSLASH) return undefined;
    else if (c === PERCENT || (previous === SLASH && (c === SLASH || c === DOT))) clean = false;
    previous = c;
  }
  if (clean) return target;
  const path = resolve(target.slice(0, end));
  return path === undefined ? undefined : path + target.slice(end);
}

/** The path of a target, without its query: what pathRegex sees. */
export function pathOf(target: string): string {
  const query = target.indexOf('?');
  return query < 0 ? target : target.slice(0, query);
}

/**
 * The path that routes are matched with, where nothing is forwarded in normal form: a target that has none is matched
 * as it is, because choosing a backend refuses nobody.
 */
export function routablePath(target: string): string {
  return pathOf(normaliseTarget(target) ?? target);
}

function resolve(path: string): string | undefined {
  const decoded = decodeUnreserved(path);
  if (decoded === undefined) return undefined;
  const segments = decoded.split('/');
  const kept: string[] = [];
  for (const segment of segments) {
    if (segment === '..') kept.pop();
    else if (hidesDots(segment)) return undefined;
    else if (segment !== '' && segment !== '.') kept.push(segment);
  }
  const last = segments.at(-1);
  const directory = last === '' || last === '.' || last === '..';
  if (kept.length === 0) return '/';
  return `/${kept.join('/')}${directory ? '/' : ''}`;
}

/** `..;x` and `.;x`: servers that cut path parameters off first see a dot segment. */
function hidesDots(segment: string): boolean {
  return segment.startsWith('.;') || segment.startsWith('..;');
}

function decodeUnreserved(path: string): string | undefined {
  let out = '';
  let from = 0;
  for (let i = path.indexOf('%'); i >= 0; i = path.indexOf('%', i + 3)) {
    const byte = escapedByte(path, i);
    if (byte < 0 || byte === 0 || byte === SLASH || byte === BACKSLASH || isOverlong(byte, path, i)) return undefined;
    out += path.slice(from, i);
    out += isUnreserved(byte) ? String.fromCharCode(byte) : path.slice(i, i + 3).toUpperCase();
    from = i + 3;
  }
  return out + path.slice(from);
}

/** The byte that `%XX` at `i` stands for; -1 when it is broken. */
function escapedByte(path: string, i: number): number {
  const high = hexDigit(path.charCodeAt(i + 1));
  const low = hexDigit(path.charCodeAt(i + 2));
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

function hexDigit(c: number): number {
  if (c >= 0x30 && c <= 0x39) return c - 0x30;
  if (c >= 0x41 && c <= 0x46) return c - 0x41 + 10;
  if (c >= 0x61 && c <= 0x66) return c - 0x61 + 10;
  return -1; // NaN too: the end of the path
}

/** UTF-8 that spells a character in more bytes than it needs (`%c0%af` for a slash): some decoders fall for it. */
function isOverlong(byte: number, path: string, i: number): boolean {
  if (byte === 0xc0 || byte === 0xc1) return true;
  if (byte !== 0xe0 && byte !== 0xf0) return false;
  const next = path.charCodeAt(i + 3) === PERCENT ? escapedByte(path, i + 3) : -1;
  return next >= 0x80 && next < (byte === 0xe0 ? 0xa0 : 0x90);
}

/** RFC 3986 2.3. */
function isUnreserved(byte: number): boolean {
  return (
    (byte >= 0x61 && byte <= 0x7a) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    (byte >= 0x30 && byte <= 0x39) ||
    byte === 0x2d ||
    byte === DOT ||
    byte === 0x5f ||
    byte === 0x7e
  );
}
