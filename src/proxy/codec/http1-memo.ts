import { encodeRequest, encodeResponse, type OutLength, type Persistence } from './http1-encode.ts';
import { Recent } from './recent.ts';
import type { Headers, RequestHead, ResponseHead } from './stream.ts';

/** Longer heads come too seldom, and would fill the memory. */
const MAX_HEAD_BYTES = 2048;
/** So many heads of each kind (twice that at most): 2 MB if all of them were as long as they may be. */
const MAX_HEADS = 256;

/** A request head with what it says about its connection. */
export interface ParsedRequest {
  /** Never given out itself: whoever gets a head may change it. */
  readonly head: RequestHead;
  readonly mayPersist: boolean;
  readonly expects: boolean;
}

export interface ParsedResponse {
  readonly head: ResponseHead;
  readonly length: number;
  readonly persistent: boolean;
}

/** The last head of a connection, byte by byte. */
export interface Known<T> {
  readonly bytes: Buffer;
  readonly parsed: T;
}

/**
 * What HTTP/1 heads of one kind of connection have turned out to mean, and how heads are written: a client mostly sends the same head again
 * and again, and a server mostly answers with the same one until its clock ticks on. Only whole heads are compared, so a head
 * that was refused, or differs in a single byte, is read as if there were no memory.
 */
export class Http1Memo {
  readonly requests = new Recent<string, ParsedRequest>(MAX_HEADS);
  readonly responses = new Recent<string, ParsedResponse>(MAX_HEADS);
  readonly #requestBytes = new WeakMap<Headers, RequestBytes>();
  readonly #responseBytes = new WeakMap<Headers, ResponseBytes>();

  /** As encodeRequest. Only for heads that recur and ask for no tunnel. */
  request(head: RequestHead, length: OutLength | undefined): Buffer {
    const { headers, method, path, authority, hop } = head;
    const known = this.#requestBytes.get(headers);
    if (
      known !== undefined &&
      known.path === path &&
      known.method === method &&
      known.authority === authority &&
      known.hop === hop &&
      known.length === length
    ) {
      return known.bytes;
    }
    const bytes = Buffer.from(encodeRequest(head, length), 'latin1');
    this.#requestBytes.set(headers, { method, path, authority, hop, length, bytes });
    return bytes;
  }

  /** As encodeResponse. Only for heads that recur. */
  response(head: ResponseHead, length: OutLength | undefined, persistence: Persistence): Buffer {
    const { headers, status } = head;
    const known = this.#responseBytes.get(headers);
    if (
      known !== undefined &&
      known.status === status &&
      known.length === length &&
      known.persistence === persistence
    ) {
      return known.bytes;
    }
    const bytes = Buffer.from(encodeResponse(head, length, persistence), 'latin1');
    this.#responseBytes.set(headers, { status, length, persistence, bytes });
    return bytes;
  }
}

interface RequestBytes {
  readonly method: string;
  readonly path: string;
  readonly authority: string;
  readonly hop: Headers | undefined;
  readonly length: OutLength | undefined;
  readonly bytes: Buffer;
}

interface ResponseBytes {
  readonly status: number;
  readonly length: OutLength | undefined;
  readonly persistence: Persistence;
  readonly bytes: Buffer;
}

/** Whether a head of that many bytes is kept. */
export function isKeepable(bytes: number): boolean {
  return bytes <= MAX_HEAD_BYTES;
}

/** Whether `held` begins with `bytes`. A loop: for a few hundred bytes the way to native code and back is longer. */
export function beginsWith(held: Buffer, bytes: Buffer): boolean {
  const n = bytes.length;
  if (held.length < n) return false;
  for (let i = 0; i < n; i++) if (held[i] !== bytes[i]) return false;
  return true;
}
