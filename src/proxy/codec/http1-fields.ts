import type { ReasonCode } from '../../mesh/reasons.ts';
import { isToken, parseLength, TOKEN, VALUE } from './chars.ts';
import type { Headers } from './stream.ts';

/** Where a head ends: its last line's end, and the empty line (RFC 9112 2.1). */
export const HEAD_END = Buffer.from('\r\n\r\n', 'latin1');

/**
 * The field lines of one HTTP/1 message, read once from its text. What concerns the connection and the framing ends in
 * properties, everything else in `headers`. One object per connection, filled anew for each message.
 */
export class FieldBlock {
  headers: Headers = [];
  host: string | undefined = undefined;
  /** -1 = no Content-Length. */
  contentLength = -1;
  chunked = false;
  close = false;
  keepAlive = false;
  /** Connection names `upgrade`: only then Upgrade counts (RFC 9110 7.8). */
  upgradeNamed = false;
  upgrade: string | undefined = undefined;
  expect: string | undefined = undefined;
  #connection: string | undefined = undefined;

  /**
   * Reads field lines from `pos` to the end of `text`; each ends with CRLF, and the empty line is cut off.
   * @returns why the message is refused, or undefined
   */
  read(text: string, pos: number, maxHeaders: number): ReasonCode | undefined {
    this.#reset();
    let count = 0;
    let i = pos;
    while (i < text.length) {
      const nameStart = i;
      let upper = false;
      let kind = TOKEN[text.charCodeAt(i)];
      for (; kind; kind = TOKEN[text.charCodeAt(++i)]) if (kind === 2) upper = true;
      // White space before the colon, an obs-fold (no name) and a missing colon all end here (RFC 9112 5.1, 5.2).
      if (i === nameStart || text.charCodeAt(i) !== 0x3a) return 'BAD_REQUEST';
      const name = upper ? text.slice(nameStart, i).toLowerCase() : text.slice(nameStart, i);
      i++;
      while (isBlank(text.charCodeAt(i))) i++;
      const valueStart = i;
      while (VALUE[text.charCodeAt(i)] === 1) i++;
      if (text.charCodeAt(i) !== 0x0d || text.charCodeAt(i + 1) !== 0x0a) return 'BAD_REQUEST';
      let valueEnd = i;
      while (valueEnd > valueStart && isBlank(text.charCodeAt(valueEnd - 1))) valueEnd--;
      i += 2;
      if (++count > maxHeaders) return 'HEAD_TOO_LARGE';
      const error = this.#field(name, text.slice(valueStart, valueEnd));
      if (error !== undefined) return error;
    }
    // CL.TE and TE.CL: RFC 9112 6.1 lets a server refuse both present; we always do.
    if (this.chunked && this.contentLength !== -1) return 'BAD_REQUEST';
    return this.#connection === undefined ? undefined : this.#hopByHop(this.#connection);
  }

  #reset(): void {
    this.headers = [];
    this.host = undefined;
    this.contentLength = -1;
    this.chunked = false;
    this.close = false;
    this.keepAlive = false;
    this.upgradeNamed = false;
    this.upgrade = undefined;
    this.expect = undefined;
    this.#connection = undefined;
  }

  /** By length first: most fields are none of ours, and one number compare says so. */
  #field(name: string, value: string): ReasonCode | undefined {
    switch (name.length) {
      case 2:
        if (name === 'te') return this.#te(value);
        break;
      case 4:
        if (name === 'host') {
          if (this.host !== undefined) return 'BAD_REQUEST';
          this.host = value;
          return undefined;
        }
        break;
      case 6:
        if (name === 'expect') this.expect = this.expect === undefined ? value : `${this.expect},${value}`;
        break;
      case 7:
        if (name === 'upgrade') {
          this.upgrade = this.upgrade === undefined ? value : `${this.upgrade},${value}`;
          return undefined;
        }
        break;
      case 10:
        if (name === 'connection') {
          this.#connection = this.#connection === undefined ? value : `${this.#connection},${value}`;
          return undefined;
        }
        if (name === 'keep-alive') return undefined;
        break;
      case 14:
        if (name === 'content-length') {
          if (this.contentLength !== -1) return 'BAD_REQUEST'; // identical duplicates too
          this.contentLength = parseLength(value);
          if (this.contentLength === -1) return 'BAD_REQUEST';
        } else if (name === 'http2-settings') return undefined;
        break;
      case 16:
        if (name === 'proxy-connection') return undefined;
        break;
      case 17:
        if (name === 'transfer-encoding') return this.#transferEncoding(value);
        break;
    }
    this.headers.push(name, value);
    return undefined;
  }

  /** TE belongs to the hop, but `trailers` must reach a gRPC server (RFC 9110 10.1.4). */
  #te(value: string): undefined {
    for (const item of value.split(',')) {
      if (trimBlanks(item).toLowerCase() === 'trailers') {
        this.headers.push('te', 'trailers');
        return;
      }
    }
  }

  #transferEncoding(value: string): ReasonCode | undefined {
    if (this.chunked) return 'BAD_REQUEST';
    if (value.toLowerCase() === 'chunked') {
      this.chunked = true;
      return undefined;
    }
    // A clean list whose only `chunked` is the last element asks for a coding that we do not have; the rest is noise.
    const codings = value.split(',').map((coding) => trimBlanks(coding).toLowerCase());
    const clean = codings.every(isToken) && !codings.slice(0, -1).includes('chunked');
    return clean ? 'UNSUPPORTED_CODING' : 'BAD_REQUEST';
  }

  /** RFC 9110 7.6.1: what Connection names is for this hop only. */
  #hopByHop(connection: string): ReasonCode | undefined {
    for (const item of connection.split(',')) {
      const name = trimBlanks(item).toLowerCase();
      if (name === 'close') this.close = true;
      else if (name === 'keep-alive') this.keepAlive = true;
      else if (name === 'upgrade') this.upgradeNamed = true;
      else if (name !== '' && name !== 'te') {
        if (!isToken(name)) return 'BAD_REQUEST';
        removeField(this.headers, name);
      }
    }
    return undefined;
  }
}

/** Takes every field of this name out of the list. */
export function removeField(headers: Headers, name: string): void {
  let kept = 0;
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] === name) continue;
    headers[kept] = headers[i]!;
    headers[kept + 1] = headers[i + 1]!;
    kept += 2;
  }
  headers.length = kept;
}

function isBlank(c: number): boolean {
  return c === 0x20 || c === 0x09;
}

/** Cuts SP and HTAB off both ends; String.trim would also cut NBSP and others, and so repair what is broken. */
export function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}
