import { ProxyError } from '../error.ts';
import { CANCEL, INTERNAL_ERROR, PROTOCOL_ERROR, REFUSED_STREAM } from './http2-frames.ts';

/** What RST_STREAM says to the peer when an exchange ends like this (RFC 9113 7). */
export function resetCode(error: ProxyError): number {
  switch (error.code) {
    case 'DOWNSTREAM_RESET':
      return CANCEL;
    case 'OVERLOADED':
    case 'PEER_OVERLOADED':
    case 'DRAINING':
      return REFUSED_STREAM;
    case 'BAD_REQUEST':
    case 'UPSTREAM_PROTOCOL':
      return PROTOCOL_ERROR;
    default:
      return INTERNAL_ERROR;
  }
}

/** A request that the server will not have looked at, because it closes the connection (RFC 9113 6.8): another connection will do. */
export function leftBehind(): ProxyError {
  return new ProxyError('CONNECT_FAILED', 'the server closed the connection before it looked at the request', {
    stale: true,
  });
}

/** What it means for the one who sent a request that the peer has reset it. */
export function upstreamReset(code: number, cause: unknown): ProxyError {
  // RFC 9113 8.7: a refused stream was not processed at all, and may be sent again.
  if (code === REFUSED_STREAM) {
    return new ProxyError('CONNECT_FAILED', 'the server refused the stream', { cause });
  }
  if (code === PROTOCOL_ERROR) {
    return new ProxyError('UPSTREAM_PROTOCOL', 'the response breaks RFC 9113', { cause });
  }
  return new ProxyError('UPSTREAM_RESET', `the server reset the stream (code ${code})`, { cause });
}

/** What it means for the one who received a request that the peer has reset it. */
export function downstreamReset(code: number, cause: unknown): ProxyError {
  return new ProxyError('DOWNSTREAM_RESET', `the client reset the stream (code ${code})`, { cause });
}
