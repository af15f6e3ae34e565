import type { Headers } from './stream.ts';

/**
 * Fields that mean something before the body and must not arrive behind it (RFC 9110 6.5.1): framing, routing, request
 * modifiers, authentication, response control, content format. A list of what is allowed would cut gRPC's custom metadata, which may
 * have any name; so this is the list of what is not.
 */
const FORBIDDEN = new Set(
  (
    'age authorization cache-control connection content-encoding content-length content-range content-type cookie date ' +
    'expect expires forwarded host http2-settings if-match if-modified-since if-none-match if-range if-unmodified-since ' +
    'keep-alive location max-forwards origin pragma proxy-authenticate proxy-authorization proxy-connection range ' +
    'retry-after set-cookie te trailer transfer-encoding upgrade vary warning www-authenticate client-cert client-cert-chain'
  ).split(' '),
);

/** Names that say who somebody is, or that are the mesh's own: never believed, never passed on behind a body. */
const FORBIDDEN_PREFIXES = ['x-forwarded-', 'x-weft-', 'l5d-', 'x-real-', ':'];

/** Whether a field may be passed on behind a body. */
export function isTrailer(name: string): boolean {
  return !FORBIDDEN.has(name) && !FORBIDDEN_PREFIXES.some((prefix) => name.startsWith(prefix));
}

/** The fields of a trailer section that may be passed on; undefined when there are none. */
export function keepTrailers(fields: readonly string[]): Headers | undefined {
  const kept: Headers = [];
  for (let i = 0; i < fields.length; i += 2) {
    if (isTrailer(fields[i]!)) kept.push(fields[i]!, fields[i + 1]!);
  }
  return kept.length === 0 ? undefined : kept;
}
