import type { ReasonCode } from '../../mesh/reasons.ts';
import { isAuthority, sameAuthority } from './authority.ts';
import { isTarget, isToken, parseLength } from './chars.ts';
import { requestAgain, responseAgain } from './again.ts';
import type { Section } from './http2-section.ts';
import type { CodecLimits, Headers, RequestHead, ResponseHead } from './stream.ts';

/**
 * Makes a request head of an HTTP/2 field list, pseudo-fields first (RFC 9113 8.3.1). What the framing layer has checked
 * (order and duplicates of pseudo-fields, connection-specific fields, forbidden bytes in names and values) is not looked at again.
 * @param raw name, value, name, value...
 * @param endStream no body follows
 */
export function requestFromFields(
  raw: readonly string[],
  endStream: boolean,
  limits: CodecLimits,
): RequestHead | ReasonCode {
  const head: RequestHead = {
    method: '',
    path: '',
    authority: '',
    scheme: 'http',
    headers: [],
    version: '2',
    protocol: undefined,
    destination: undefined,
    contentLength: endStream ? 0 : -1,
    hop: undefined,
    recurring: false,
  };
  let host: string | undefined;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!;
    const value = raw[i + 1]!;
    if (name.charCodeAt(0) === 0x3a) {
      if (!setPseudo(head, name, value)) return 'BAD_REQUEST';
    } else if (name === 'host') {
      if (host !== undefined) return 'BAD_REQUEST';
      host = value;
    } else {
      const error = addField(head, name, value, endStream);
      if (error !== undefined) return error;
    }
  }
  if (head.headers.length > 2 * limits.maxHeaders) return 'HEAD_TOO_LARGE';
  return checkRequest(head, host, limits);
}

function setPseudo(head: RequestHead, name: string, value: string): boolean {
  switch (name) {
    case ':method':
      head.method = value;
      return true;
    case ':path':
      head.path = value;
      return true;
    case ':authority':
      head.authority = value;
      return true;
    case ':scheme':
      if (value !== 'http' && value !== 'https') return false;
      head.scheme = value;
      return true;
    case ':protocol':
      head.protocol = value;
      return isToken(value);
    default:
      return false;
  }
}

function addField(head: RequestHead, name: string, value: string, endStream: boolean): ReasonCode | undefined {
  if (name === 'content-length') {
    const length = parseLength(value);
    if (length === -1 || (endStream && length > 0)) return 'BAD_REQUEST';
    head.contentLength = length;
  } else if (name === 'expect' && value.toLowerCase() !== '100-continue') {
    return 'EXPECTATION_FAILED';
  } else if (name === 'cookie') {
    // RFC 9113 8.2.3: crumbs are joined before anything but HTTP/2 sees them.
    const at = head.headers.indexOf('cookie');
    if (at !== -1 && at % 2 === 0) {
      head.headers[at + 1] += `; ${value}`;
      return undefined;
    }
  }
  head.headers.push(name, value);
  return undefined;
}

function checkRequest(head: RequestHead, host: string | undefined, limits: CodecLimits): RequestHead | ReasonCode {
  if (!isToken(head.method)) return 'BAD_REQUEST';
  if (host !== undefined) {
    // RFC 9113 8.3.1: they must name the same entity.
    if (head.authority === '') head.authority = host;
    else if (!sameAuthority(head.authority, host, head.scheme === 'http' ? '80' : '443')) return 'BAD_REQUEST';
  }
  if (!isAuthority(head.authority)) return 'BAD_REQUEST';
  if (head.method === 'CONNECT') {
    if (head.protocol === undefined) return head.path === '' ? withDestination(head) : 'BAD_REQUEST';
    if (head.protocol === 'websocket') head.method = 'GET'; // as on HTTP/1.1: matches judge an upgrade as a GET (H14)
  } else if (head.protocol !== undefined) return 'BAD_REQUEST';
  if (head.path.length > limits.maxTargetBytes) return 'URI_TOO_LONG';
  if (!isTarget(head.path)) return 'BAD_REQUEST';
  const star = head.path === '*' && head.method === 'OPTIONS';
  return head.path.charCodeAt(0) === 0x2f || star ? head : 'BAD_REQUEST';
}

function withDestination(head: RequestHead): RequestHead | ReasonCode {
  if (!/:\d+$/.test(head.authority)) return 'BAD_REQUEST';
  head.destination = head.authority;
  return head;
}

/** As requestFromFields. What was read from a section before is not read again. */
export function requestOf(section: Section, endStream: boolean, limits: CodecLimits): RequestHead | ReasonCode {
  if (!section.recurring) return requestFromFields(section.fields, endStream, limits);
  let known = (endStream ? section.withEnd : section.withoutEnd) as RequestHead | ReasonCode | undefined;
  if (known === undefined) {
    known = requestFromFields(section.fields, endStream, limits);
    if (endStream) section.withEnd = known;
    else section.withoutEnd = known;
  }
  if (typeof known === 'string') return known;
  const tunnel = known.protocol !== undefined || known.method === 'CONNECT';
  return tunnel ? { ...known, headers: [...known.headers] } : requestAgain(known);
}

/** As responseFromFields. What was read from a section before is not read again. */
export function responseOf(section: Section, bodiless: boolean): ResponseHead | undefined {
  if (!section.recurring) return responseFromFields(section.fields, bodiless);
  let known = (bodiless ? section.withEnd : section.withoutEnd) as ResponseHead | undefined;
  if (known === undefined) {
    known = responseFromFields(section.fields, bodiless);
    if (bodiless) section.withEnd = known;
    else section.withoutEnd = known;
  }
  return known === undefined ? undefined : responseAgain(known);
}

/** The field list of a request for HTTP/2, without its `hop` fields. */
export function fieldsOfRequest(head: RequestHead, endStream: boolean): string[] {
  const raw: string[] = [':method', head.protocol === undefined ? head.method : 'CONNECT'];
  const tunnel = head.protocol !== undefined || head.method === 'CONNECT';
  if (head.protocol !== undefined) raw.push(':protocol', head.protocol);
  if (head.protocol !== undefined || !tunnel) raw.push(':path', head.path, ':scheme', head.scheme);
  raw.push(':authority', head.authority);
  appendFields(raw, head.headers, tunnel ? undefined : head.contentLength, endStream && head.contentLength <= 0);
  return raw;
}

/** The field list of a response for HTTP/2. `bodiless`: to HEAD, or 204 or 304; a content-length is then passed on as it is. */
export function fieldsOfResponse(head: ResponseHead, bodiless: boolean, tunnel: boolean): string[] {
  const raw: string[] = [':status', String(head.status)];
  appendFields(raw, head.headers, tunnel ? undefined : head.contentLength, bodiless && head.status !== 204);
  return raw;
}

/** `asIs`: the content-length field of the list is right and stays; otherwise `length` is said, where there is one. */
function appendFields(raw: string[], headers: Headers, length: number | undefined, asIs: boolean): void {
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!;
    // An empty body is said so only when the peer said it.
    if (name.length === 14 && name === 'content-length' && !asIs && (length !== 0 || headers[i + 1] !== '0')) continue;
    raw.push(name, headers[i + 1]!);
  }
  if (!asIs && length !== undefined && length > 0) raw.push('content-length', String(length));
}

/**
 * Makes a response head of an HTTP/2 field list. Undefined when it is broken.
 * @param bodiless no body may follow whatever the fields say: END_STREAM, or the answer to HEAD
 */
export function responseFromFields(raw: readonly string[], bodiless: boolean): ResponseHead | undefined {
  const head: ResponseHead = { status: 0, headers: [], contentLength: bodiless ? 0 : -1, recurring: false };
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!;
    const value = raw[i + 1]!;
    if (name === ':status') {
      head.status = Number(value);
      continue;
    }
    if (name === 'content-length' && !bodiless) {
      head.contentLength = parseLength(value);
      if (head.contentLength === -1) return undefined;
    }
    head.headers.push(name, value);
  }
  if (head.status === 204 || head.status === 304) head.contentLength = 0;
  return head.status >= 100 && head.status <= 599 ? head : undefined;
}
