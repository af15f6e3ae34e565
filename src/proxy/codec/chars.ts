/** RFC 9110 5.6.2: 1 = character of a token, 2 = the same in upper case, 0 = anything else. */
export const TOKEN = new Uint8Array(256);
/** RFC 9110 5.5: 1 = may stand in a field value (HTAB, SP, visible, obs-text). */
export const VALUE = new Uint8Array(256);
/** RFC 9112 3.2: 1 = may stand in a request target. Fragments and raw bytes above ASCII never do. */
export const TARGET = new Uint8Array(256);
/** RFC 3986 3.2.2: 1 = may stand in a host name. No `@`: user information is refused (RFC 9110 4.2.4). */
export const HOST = new Uint8Array(256);

for (const c of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz") TOKEN[c.charCodeAt(0)] = 1;
for (const c of 'ABCDEFGHIJKLMNOPQRSTUVWXYZ') TOKEN[c.charCodeAt(0)] = 2;
for (let c = 0; c < 256; c++) VALUE[c] = c === 0x09 || (c >= 0x20 && c !== 0x7f) ? 1 : 0;
for (let c = 0x21; c < 0x7f; c++) TARGET[c] = c === 0x23 ? 0 : 1;
for (const c of "-._~!$&'()*+,;=%0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
  HOST[c.charCodeAt(0)] = 1;
}

/** Whether `text` is one token: a method, a field name, an upgrade protocol. */
export function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (!TOKEN[text.charCodeAt(i)]) return false;
  return text.length > 0;
}

/** Whether `text` is a token without upper case, as field names are in `Headers`. */
export function isFieldName(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (TOKEN[text.charCodeAt(i)] !== 1) return false;
  return text.length > 0;
}

/** Whether `text` may be written as a field value. False also for characters above U+00FF, which latin1 would fold. */
export function isFieldValue(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (VALUE[text.charCodeAt(i)] !== 1) return false;
  return true;
}

/** Whether `text` may be written as a request target. */
export function isTarget(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (TARGET[text.charCodeAt(i)] !== 1) return false;
  return text.length > 0;
}

/** `value` is a decimal number as Content-Length wants it (no sign, no leading zero, <= 2^53 - 1); else -1. */
export function parseLength(value: string): number {
  const n = value.length;
  if (n === 0 || n > 16 || (n > 1 && value.charCodeAt(0) === 0x30)) return -1;
  let length = 0;
  for (let i = 0; i < n; i++) {
    const digit = value.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
  }
  return length <= Number.MAX_SAFE_INTEGER ? length : -1;
}
