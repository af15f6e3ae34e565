import type { ReasonCode } from '../../mesh/reasons.ts';
import { isAuthority, sameAuthority } from './authority.ts';
import { TARGET, TOKEN } from './chars.ts';
import { removeField, type FieldBlock } from './http1-fields.ts';
import type { CodecLimits, RequestHead } from './stream.ts';

/** No registered method is longer than 17. */
const MAX_METHOD = 32;

export interface RequestRules {
  readonly limits: CodecLimits;
  readonly scheme: 'http' | 'https';
  readonly explicitProxy: boolean;
}

/**
 * Reads a request head (RFC 9112 2 and 3). Nothing is repaired: whatever an origin could read in another way is refused.
 * @param text the head as latin1, up to and with the CRLF of its last line, without the empty line
 * @param fields is filled; tells the connection about framing and persistence
 */
export function readRequestHead(text: string, fields: FieldBlock, rules: RequestRules): RequestHead | ReasonCode {
  let i = 0;
  while (TOKEN[text.charCodeAt(i)]) i++;
  if (i === 0 || i > MAX_METHOD || text.charCodeAt(i) !== 0x20) return 'BAD_REQUEST';
  const method = text.slice(0, i);
  const targetStart = ++i;
  while (TARGET[text.charCodeAt(i)] === 1) i++;
  if (i === targetStart || text.charCodeAt(i) !== 0x20) return 'BAD_REQUEST';
  if (i - targetStart > rules.limits.maxTargetBytes) return 'URI_TOO_LONG';
  const target = text.slice(targetStart, i);
  i++;
  const version = readVersion(text, i);
  if (version !== '1.1' && version !== '1.0') return version;
  const error = fields.read(text, i + 10, rules.limits.maxHeaders);
  if (error !== undefined) return error;
  return makeHead(method, target, version, fields, rules);
}

/** At `i` stands `HTTP/1.1` CRLF. Well-formed other versions get 505, `HTTP/1.10` and the like 400 (RFC 9112 2.3). */
function readVersion(text: string, i: number): '1.0' | '1.1' | ReasonCode {
  if (text.startsWith('HTTP/1.1\r\n', i)) return '1.1';
  if (text.startsWith('HTTP/1.0\r\n', i)) return '1.0';
  return /^HTTP\/\d\.\d\r\n/.test(text.slice(i, i + 10)) ? 'VERSION_NOT_SUPPORTED' : 'BAD_REQUEST';
}

function makeHead(
  method: string,
  target: string,
  version: '1.0' | '1.1',
  fields: FieldBlock,
  rules: RequestRules,
): RequestHead | ReasonCode {
  const host = fields.host;
  if (host === undefined ? version === '1.1' : !isAuthority(host)) return 'BAD_REQUEST';
  if (version === '1.0' && fields.chunked) return 'BAD_REQUEST'; // RFC 9112 6.1: faulty framing
  const error = checkExpect(fields, version);
  if (error !== undefined) return error;
  const head: RequestHead = {
    method,
    path: target,
    authority: host ?? '',
    scheme: rules.scheme,
    headers: fields.headers,
    version,
    protocol: undefined,
    destination: undefined,
    contentLength: fields.chunked ? -1 : fields.contentLength === -1 ? 0 : fields.contentLength,
  };
  if (method === 'CONNECT') return connectTarget(head, fields, rules);
  if (fields.upgrade !== undefined) acceptUpgrade(head, fields);
  if (target.charCodeAt(0) === 0x2f) return head;
  if (target === '*') return method === 'OPTIONS' ? head : 'BAD_REQUEST';
  return absoluteTarget(head, target, rules);
}

/** RFC 9110 10.1.1: the only expectation there is. From HTTP/1.0 it is none, and must not become one further on. */
function checkExpect(fields: FieldBlock, version: '1.0' | '1.1'): ReasonCode | undefined {
  if (fields.expect === undefined) return undefined;
  if (version === '1.0') {
    removeField(fields.headers, 'expect');
    fields.expect = undefined;
    return undefined;
  }
  return fields.expect.toLowerCase() === '100-continue' ? undefined : 'EXPECTATION_FAILED';
}

/** WebSocket only. `Upgrade: h2c` and everything else is stripped: the request is then an ordinary one. */
function acceptUpgrade(head: RequestHead, fields: FieldBlock): void {
  if (!fields.upgradeNamed || fields.upgrade!.toLowerCase() !== 'websocket') return;
  if (head.method !== 'GET' || head.version !== '1.1' || head.contentLength !== 0) return;
  head.protocol = 'websocket';
}

/** RFC 9112 3.2.3. */
function connectTarget(head: RequestHead, fields: FieldBlock, rules: RequestRules): RequestHead | ReasonCode {
  if (!rules.explicitProxy) return 'METHOD_NOT_ALLOWED';
  const target = head.path;
  if (!isAuthority(target) || !/:\d+$/.test(target)) return 'BAD_REQUEST';
  if (fields.chunked || fields.contentLength > 0) return 'BAD_REQUEST';
  head.destination = target;
  head.authority = target;
  head.path = '';
  return head;
}

/** RFC 9112 3.2.2. On explicit proxy listeners the target says where to, Host says as whom; elsewhere they must agree. */
function absoluteTarget(head: RequestHead, target: string, rules: RequestRules): RequestHead | ReasonCode {
  const prefix = `${rules.scheme}://`;
  if (target.slice(0, prefix.length).toLowerCase() !== prefix) return 'BAD_REQUEST';
  let end = prefix.length;
  while (end < target.length && target[end] !== '/' && target[end] !== '?') end++;
  const authority = target.slice(prefix.length, end);
  if (!isAuthority(authority)) return 'BAD_REQUEST';
  const rest = target.slice(end);
  if (rest === '') head.path = head.method === 'OPTIONS' ? '*' : '/';
  else head.path = rest.charCodeAt(0) === 0x3f ? `/${rest}` : rest;
  if (rules.explicitProxy) {
    head.destination = authority;
    if (head.authority === '') head.authority = authority;
    return head;
  }
  const port = rules.scheme === 'http' ? '80' : '443';
  if (head.authority !== '' && !sameAuthority(authority, head.authority, port)) return 'BAD_REQUEST';
  head.authority = authority;
  return head;
}
