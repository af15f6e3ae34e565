import type { Headers } from './codec/stream.ts';

/** Headers of the mesh hop (docs/mesh-hop.md). Nobody outside a tunnel may set or see them, the reason excepted. */
export const DESTINATION_HEADER = 'x-weft-destination';
export const SERVICE_HEADER = 'x-weft-service';
export const VERSION_HEADER = 'x-weft-version';
export const VIA_HEADER = 'x-weft-via';
export const REASON_HEADER = 'x-weft-reason';

/** Decides by a lower-case name whether a field must not pass an edge of the mesh. */
export type HeaderTest = (name: string) => boolean;

/**
 * Fields that claim an identity, which only a TLS peer can have: Weft's own, Linkerd's `l5d-*`, Envoy's
 * `x-forwarded-client-cert`, RFC 9440's `client-cert` and `client-cert-chain`, and what the configuration adds.
 * `_` counts as `-`, because CGI-like servers cannot tell them apart.
 * @param more further exact names
 */
export function identityHeaders(more: readonly string[] = []): HeaderTest {
  const exact = new Set(['x-forwarded-client-cert', 'client-cert', 'client-cert-chain', ...more.map(dashed)]);
  const initials = new Set([...exact, 'x-weft-', 'l5d-'].map((name) => name.charCodeAt(0)));
  return function isIdentityHeader(name) {
    if (!initials.has(name.charCodeAt(0))) return false; // nearly every header leaves here
    const plain = dashed(name);
    return plain.startsWith('x-weft-') || plain.startsWith('l5d-') || exact.has(plain);
  };
}

function dashed(name: string): string {
  return name.includes('_') ? name.replaceAll('_', '-') : name;
}

/** The list without the fields that `test` names; the very same list when there are none. */
export function withoutHeaders(headers: Headers, test: HeaderTest): Headers {
  let i = 0;
  while (i < headers.length && !test(headers[i]!)) i += 2;
  if (i >= headers.length) return headers;
  const kept = headers.slice(0, i);
  for (i += 2; i < headers.length; i += 2) {
    if (!test(headers[i]!)) kept.push(headers[i]!, headers[i + 1]!);
  }
  return kept;
}

/** Takes the fields that `test` names out of a head. */
export function strip(head: { headers: Headers; recurring?: boolean }, test: HeaderTest): void {
  const kept = withoutHeaders(head.headers, test);
  if (kept === head.headers) return;
  head.headers = kept;
  head.recurring = false; // this list is new
}

/** Value of the first field of that name. */
export function header(headers: Headers, name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1];
  return undefined;
}
