import { isFieldName, isFieldValue } from './chars.ts';

/** What a field section is the head of. */
export type SectionKind = 'request' | 'response' | 'trailers';

const PSEUDO: Readonly<Record<SectionKind, readonly string[]>> = {
  request: [':method', ':scheme', ':authority', ':path', ':protocol'],
  response: [':status'],
  trailers: [],
};

/** RFC 9113 8.2.2: what belongs to an HTTP/1.1 connection. */
const CONNECTION_SPECIFIC = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']);

/**
 * Whether a field section keeps RFC 9113 8.2 and 8.3: pseudo-fields known, first and once; names in lower case; no forbidden
 * bytes; nothing that belongs to a connection; at most one content-length.
 * @param fields name, value, name, value...
 */
export function isWellFormed(fields: readonly string[], kind: SectionKind): boolean {
  const allowed = PSEUDO[kind];
  let seen = 0;
  let regular = false;
  let lengths = 0;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!;
    const value = fields[i + 1]!;
    if (name.charCodeAt(0) === 0x3a) {
      const at = allowed.indexOf(name);
      if (at === -1 || regular || (seen & (1 << at)) !== 0) return false;
      seen |= 1 << at;
    } else {
      regular = true;
      if (!isFieldName(name) || CONNECTION_SPECIFIC.has(name)) return false;
      if (name === 'te' && value !== 'trailers') return false;
      if (name === 'content-length' && ++lengths > 1) return false;
    }
    if (!isFieldValue(value) || hasOuterBlank(value)) return false;
  }
  return kind === 'trailers' || (kind === 'response' ? seen === 1 : isWholeRequest(fields, seen));
}

/** RFC 9113 8.3.1 and 8.5, RFC 8441 4. */
function isWholeRequest(fields: readonly string[], seen: number): boolean {
  const [method, scheme, authority, path, protocol] = [1, 2, 4, 8, 16];
  if ((seen & method!) === 0) return false;
  const connect = fields[fields.indexOf(':method') + 1] === 'CONNECT';
  if (connect && (seen & protocol!) === 0) return (seen & (scheme! | path!)) === 0 && (seen & authority!) !== 0;
  return (seen & scheme!) !== 0 && (seen & path!) !== 0 && fields[fields.indexOf(':path') + 1] !== '';
}

function hasOuterBlank(value: string): boolean {
  const first = value.charCodeAt(0);
  const last = value.charCodeAt(value.length - 1);
  return first === 0x20 || first === 0x09 || last === 0x20 || last === 0x09;
}
