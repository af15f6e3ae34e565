import type { RequestHead, ResponseHead } from './stream.ts';

/** A head that says the same, for one more exchange. Not for tunnels, which are made anew each time. */
export function requestAgain(head: RequestHead): RequestHead {
  return {
    method: head.method,
    path: head.path,
    authority: head.authority,
    scheme: head.scheme,
    headers: head.headers,
    version: head.version,
    protocol: undefined,
    destination: head.destination,
    contentLength: head.contentLength,
    hop: undefined,
    recurring: true,
  };
}

/** A head that says the same, for one more exchange. */
export function responseAgain(head: ResponseHead): ResponseHead {
  return { status: head.status, headers: head.headers, contentLength: head.contentLength, recurring: true };
}
