import { createHash, randomBytes } from 'node:crypto';
import { removeField } from './http1-fields.ts';
import type { Headers } from './stream.ts';

/** A value for Sec-WebSocket-Key (RFC 6455 4.1). */
export function websocketKey(): string {
  return randomBytes(16).toString('base64');
}

/** What Sec-WebSocket-Accept must say to `key` (RFC 6455 4.2.2). */
export function websocketAccept(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}

/** The first value of a field, or undefined. */
export function fieldValue(headers: Headers, name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1];
  return undefined;
}

/**
 * The accept value that an answer lacks, or undefined. One that came over HTTP/2 has none (RFC 8441 5.1), HTTP/1.1 wants one.
 * @param request fields of the request
 * @param response fields of the answer
 */
export function missingAccept(request: Headers, response: Headers): string | undefined {
  const key = fieldValue(request, 'sec-websocket-key');
  if (key === undefined || fieldValue(response, 'sec-websocket-accept') !== undefined) return undefined;
  return websocketAccept(key);
}

/** Takes out the accept value that answers a key of our own: the client behind us never sent that key. */
export function removeAccept(headers: Headers): void {
  removeField(headers, 'sec-websocket-accept');
}
