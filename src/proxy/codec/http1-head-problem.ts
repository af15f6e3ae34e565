import type { ReasonCode } from '../../mesh/reasons.ts';
import { isAuthority } from './authority.ts';
import { isFieldValue, isTarget, isToken, parseLength } from './chars.ts';
import { trimBlanks } from './http1-fields.ts';
import type { CodecLimits } from './stream.ts';

/**
 * Says in one sentence what is wrong with a request head that was refused, for the person who has to mend the client.
 * Looked into only then, so it may be slow, though not more than linear. Repeats nothing of the head.
 * @param text the head as latin1, with or without the empty line; a head that has not come whole is read as far as it is
 */
export function headProblem(text: string, code: ReasonCode, limits: CodecLimits): string {
  switch (code) {
    case 'HEAD_TOO_LARGE':
      return `the request has more than ${limits.maxHeaders} header fields`;
    case 'URI_TOO_LONG':
      return `the request target is longer than ${limits.maxTargetBytes} bytes`;
    case 'VERSION_NOT_SUPPORTED':
      return 'only HTTP/1.0 and HTTP/1.1 are spoken here, and HTTP/2 with its own preface';
    case 'UNSUPPORTED_CODING':
      return 'the only transfer coding known here is chunked';
    case 'EXPECTATION_FAILED':
      return 'the only expectation known here is 100-continue';
    case 'METHOD_NOT_ALLOWED':
      return 'CONNECT is for explicit proxy listeners only';
    default:
      return lineProblem(text) ?? fieldProblem(text) ?? 'the request target does not fit the method or the Host field';
  }
}

function lineProblem(text: string): string | undefined {
  if (/(^|[^\r])\n/.test(text)) return 'a line ends with LF alone; lines end with CR LF (RFC 9112 2.2)';
  if (/\r(?!\n|$)/.test(text)) return 'there is a CR without LF (RFC 9112 2.2)';
  const [line = '', ...fields] = text.split('\r\n');
  const [method = '', target = '', version = '', more] = line.split(' ');
  if (!isToken(method)) return 'the request line does not begin with a method (RFC 9112 3)';
  if (!isTarget(target)) return 'the request line has no target, or one with characters that have to be encoded';
  if (more !== undefined || !/^HTTP\/1\.[01]$/.test(version))
    return 'the request line does not end with one blank and HTTP/1.1 (RFC 9112 3)';
  for (const [i, field] of fields.entries()) {
    if (field === '') break;
    const colon = field.indexOf(':');
    if (/^[ \t]/.test(field)) return `header line ${i + 1} is folded (RFC 9112 5.2)`;
    if (colon === -1) return `header line ${i + 1} has no colon`;
    if (!isToken(field.slice(0, colon))) return `header line ${i + 1} has no proper name before its colon`;
    if (!isFieldValue(field.slice(colon + 1))) return `header line ${i + 1} has control characters in its value`;
  }
  return undefined;
}

function fieldProblem(text: string): string | undefined {
  const [hosts, lengths, codings] = [
    values(text, 'host'),
    values(text, 'content-length'),
    values(text, 'transfer-encoding'),
  ];
  const [host, length] = [hosts[0], lengths[0]];
  if (hosts.length > 1) return 'there is more than one Host field (RFC 9112 3.2)';
  if (host === undefined && / HTTP\/1\.1\r\n/.test(text)) return 'there is no Host field (RFC 9112 3.2)';
  if (host !== undefined && !isAuthority(host)) return 'the Host field is no host name with an optional port';
  if (lengths.length > 1) return 'there is more than one Content-Length field (RFC 9112 6.3)';
  if (length !== undefined && parseLength(length) === -1) return 'Content-Length is no decimal number';
  if (length !== undefined && codings.length > 0)
    return 'there are both Content-Length and Transfer-Encoding (RFC 9112 6.1)';
  if (codings.length > 0) return 'Transfer-Encoding is not chunked alone, or HTTP/1.0 knows none (RFC 9112 6.1)';
  const named = values(text, 'connection').flatMap((v) => v.split(',').map(trimBlanks));
  if (named.some((name) => name !== '' && !isToken(name))) return 'the Connection field is no list of names';
  return undefined;
}

function values(text: string, name: string): string[] {
  const lines = text.split('\r\n').slice(1);
  return lines.flatMap((line) => {
    const colon = line.indexOf(':');
    if (line.slice(0, colon).toLowerCase() !== name) return [];
    return [trimBlanks(line.slice(colon + 1))];
  });
}
