import type { FieldBlock } from './http1-fields.ts';
import { TOKEN, VALUE } from './chars.ts';
import type { CodecLimits, ResponseHead } from './stream.ts';

/** What the status line alone does not say. `length` -1 = chunked, -2 = until the connection ends. */
export interface ResponseFrame {
  length: number;
  /** The connection may carry another request. */
  persistent: boolean;
}

/** What a request was, as far as the framing of its response goes. */
export interface AskedFor {
  readonly headRequest: boolean;
  /** Upgrade token or `CONNECT`; undefined for ordinary requests. */
  readonly tunnel: string | undefined;
}

/**
 * Reads a response head (RFC 9112 4 and 6.3). A broken one is described in a string: the connection is of no more use.
 * @param text the head as latin1, up to and with the CRLF of its last line, without the empty line
 * @param frame is filled: how the body is delimited
 */
export function readResponseHead(
  text: string,
  fields: FieldBlock,
  limits: CodecLimits,
  asked: AskedFor,
  frame: ResponseFrame,
): ResponseHead | string {
  const http10 = text.startsWith('HTTP/1.0 ');
  if (!http10 && !text.startsWith('HTTP/1.1 ')) return 'status line does not begin with HTTP/1.1';
  const status = readStatus(text);
  if (status < 0) return 'status code is not a number from 100 to 599';
  let i = 12;
  while (VALUE[text.charCodeAt(i)] === 1) i++; // reason phrase: never passed on
  if (text.charCodeAt(i) !== 0x0d || text.charCodeAt(i + 1) !== 0x0a) return 'status line has forbidden bytes';
  const error = fields.read(text, i + 2, limits.maxHeaders);
  if (error !== undefined) return `fields of the response are broken (${error})`;
  if (http10 && fields.chunked) return 'HTTP/1.0 response with transfer-encoding';
  frame.persistent = http10 ? fields.keepAlive && !fields.close : !fields.close;
  const head: ResponseHead = { status, headers: fields.headers, contentLength: 0 };
  return frameBody(head, fields, asked, frame) ?? head;
}

function readStatus(text: string): number {
  const a = text.charCodeAt(9) - 0x30;
  const b = text.charCodeAt(10) - 0x30;
  const c = text.charCodeAt(11) - 0x30;
  const after = text.charCodeAt(12); // some servers leave the space out when there is no reason phrase
  const ok = a >= 1 && a <= 5 && b >= 0 && b <= 9 && c >= 0 && c <= 9 && (after === 0x20 || after === 0x0d);
  return ok ? a * 100 + b * 10 + c : -1;
}

/** RFC 9112 6.3 in its order. */
function frameBody(head: ResponseHead, fields: FieldBlock, asked: AskedFor, frame: ResponseFrame): string | undefined {
  const { status } = head;
  frame.length = 0;
  if (status < 200) {
    if (fields.chunked || fields.contentLength > 0) return `${status} response with a body`;
    if (status !== 101) return undefined;
    if (asked.tunnel === undefined || asked.tunnel === 'CONNECT') return '101 response that nobody asked for';
    const matches = fields.upgradeNamed && fields.upgrade?.toLowerCase() === asked.tunnel;
    return matches ? undefined : '101 response with another protocol than was asked for';
  }
  if (asked.tunnel !== undefined && status < 300) {
    if (asked.tunnel !== 'CONNECT') return `${status} response to an upgrade: neither 101 nor a refusal`;
    return fields.chunked || fields.contentLength > 0 ? `${status} response to CONNECT with a body` : undefined;
  }
  if (asked.headRequest || status === 304) return undefined;
  if (status === 204) return fields.chunked || fields.contentLength > 0 ? '204 response with a body' : undefined;
  if (fields.chunked) frame.length = -1;
  else if (fields.contentLength >= 0) frame.length = fields.contentLength;
  else {
    frame.length = -2;
    frame.persistent = false;
  }
  head.contentLength = Math.max(frame.length, -1);
  return undefined;
}

/** Whether bytes that are no complete head yet can never become one: no token at the start, or a bare LF. */
export function brokenStart(bytes: Buffer, from: number, to: number): boolean {
  if (from === 0 && to > 0 && !TOKEN[bytes[0]!]) return true;
  for (let i = bytes.indexOf(0x0a, from); i !== -1 && i < to; i = bytes.indexOf(0x0a, i + 1)) {
    if (i === 0 || bytes[i - 1] !== 0x0d) return true;
  }
  return false;
}
