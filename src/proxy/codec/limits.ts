import type { CodecLimits } from './stream.ts';

/** What a connection may cost before a request on it has been judged. Sources: suites 3.1 and 3.2, RFC 9110 4.1. */
export const defaultLimits: CodecLimits = {
  /** Envoy 60 KB, nginx 4 x 8 KB, Node 16 KB. Counted in bytes before any object exists. */
  maxHeadBytes: 32 * 1024,
  /** As Envoy and Apache. */
  maxHeaders: 100,
  /** RFC 9110 4.1 asks for 8000 octets at least. */
  maxTargetBytes: 16 * 1024,
  /** From the first byte of a head (or from accept) to its last: slowloris. */
  headTimeoutMs: 10_000,
  /** Above the 60 s that common pools keep, so that the client closes first and no request meets a closing socket. */
  idleTimeoutMs: 75_000,
  /** Of one stream or socket. Twice what Node's sockets buffer, so that a 64 KB read passes in one go. */
  highWaterBytes: 128 * 1024,
  /** A peer that neither sends the body it owes nor reads the one we owe. Long, for slow streams are legal. */
  stallTimeoutMs: 300_000,
};
