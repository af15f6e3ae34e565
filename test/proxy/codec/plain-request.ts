import type { RequestHead } from '../../../src/proxy/codec/stream.ts';

/** The head of the simplest request, but for what is given. */
export function plainRequest(version: RequestHead['version'], more: Partial<RequestHead> = {}): RequestHead {
  return {
    method: 'GET',
    path: '/',
    authority: 'a',
    scheme: 'http',
    headers: [],
    version,
    protocol: undefined,
    destination: undefined,
    contentLength: 0,
    ...more,
  };
}
