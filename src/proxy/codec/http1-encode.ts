import { isFieldName, isFieldValue, isTarget, isToken } from './chars.ts';
import { REASON_PHRASES } from './reason-phrases.ts';
import type { Headers, RequestHead, ResponseHead } from './stream.ts';

/** How the body of an outgoing message is delimited: -1 chunked, -2 until the connection ends, else its length. */
export type OutLength = number;

/** What goes into the Connection field of a message. */
export type Persistence = 'default' | 'close' | 'keep-alive';

const STATUS_LINES: readonly string[] = Array.from(
  { length: 600 },
  (_, status) => `HTTP/1.1 ${status} ${REASON_PHRASES[status] ?? 'Unknown'}\r\n`,
);

const CONNECTION = { default: '', close: 'connection: close\r\n', 'keep-alive': 'connection: keep-alive\r\n' } as const;

/**
 * Text of a request head for HTTP/1.1 (latin1).
 * @param length of the body; undefined: there is none
 * @param websocketKey a key of ours when the request came without one (RFC 8441 has none)
 * @throws RangeError when a part of the head would break the framing; nothing of it is written then
 */
export function encodeRequest(head: RequestHead, length: OutLength | undefined, websocketKey?: string): string {
  if (!isToken(head.method)) throw new RangeError('method is no token');
  if (head.method === 'CONNECT') return encodeConnect(head);
  if (!isTarget(head.path)) throw new RangeError('path has a forbidden character');
  if (!isFieldValue(head.authority)) throw new RangeError('authority has a forbidden character');
  let text = `${head.method} ${head.path} HTTP/1.1\r\nhost: ${head.authority}\r\n${encodeFields(head.headers, false)}`;
  if (head.hop !== undefined) text += encodeFields(head.hop, false);
  if (head.protocol !== undefined) {
    if (!isToken(head.protocol)) throw new RangeError('protocol is no token');
    text += `connection: upgrade\r\nupgrade: ${head.protocol}\r\n`;
    if (websocketKey !== undefined) text += `sec-websocket-key: ${websocketKey}\r\n`;
  } else if (length === -1) text += 'transfer-encoding: chunked\r\n';
  else if (length !== undefined) text += `content-length: ${length}\r\n`;
  return `${text}\r\n`;
}

function encodeConnect(head: RequestHead): string {
  if (!isTarget(head.authority)) throw new RangeError('authority has a forbidden character');
  const fields = encodeFields(head.headers, false) + (head.hop === undefined ? '' : encodeFields(head.hop, false));
  return `CONNECT ${head.authority} HTTP/1.1\r\nhost: ${head.authority}\r\n${fields}\r\n`;
}

/**
 * Text of a final response head (latin1).
 * @param length of the body; undefined: there is none and nothing is said about it but what `headers` say
 * @throws RangeError as encodeRequest
 */
export function encodeResponse(head: ResponseHead, length: OutLength | undefined, persistence: Persistence): string {
  const line = STATUS_LINES[head.status];
  if (line === undefined) throw new RangeError('status is out of range');
  const fields = encodeFields(head.headers, length === undefined && head.status !== 204);
  const framing =
    length === undefined || length === -2
      ? ''
      : length === -1
        ? 'transfer-encoding: chunked\r\n'
        : `content-length: ${length}\r\n`;
  return `${line}${fields}${framing}${CONNECTION[persistence]}\r\n`;
}

/** Text of a 1xx response (latin1). */
export function encodeInformational(head: ResponseHead): string {
  return `${STATUS_LINES[head.status]!}${encodeFields(head.headers, false)}\r\n`;
}

/** Text of a 101 response. `accept` is sent when the answer came without one (from HTTP/2). */
export function encodeSwitch(head: ResponseHead, protocol: string, accept: string | undefined): string {
  const fields = encodeFields(head.headers, false);
  const proof = accept === undefined ? '' : `sec-websocket-accept: ${accept}\r\n`;
  return `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${protocol}\r\n${fields}${proof}\r\n`;
}

/** The last chunk with its trailers (latin1). */
export function encodeLastChunk(trailers: Headers | undefined): string {
  return trailers === undefined ? '0\r\n\r\n' : `0\r\n${encodeFields(trailers, false)}\r\n`;
}

/** Fields are checked here once more although whoever made them has: a line break in one would be a second message. */
function encodeFields(headers: Headers, withLength: boolean): string {
  let text = '';
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!;
    const value = headers[i + 1]!;
    if (name.length === 14 && name === 'content-length' && !withLength) continue; // the codec says it
    if (name.length === 2 && name === 'te') text += 'connection: te\r\n'; // RFC 9110 10.1.4
    if (!isFieldName(name) || !isFieldValue(value)) throw new RangeError(`field ${JSON.stringify(name)} is not valid`);
    text += `${name}: ${value}\r\n`;
  }
  return text;
}
