import type { ClientConnection, RequestHead, ResponseHead, ServerStream } from './stream.ts';
import type { ProxyError } from '../error.ts';

/** Looks on while an exchange passes. Every method may be left empty; none may throw. */
export interface JoinObserver {
  /** The final head, before it is sent on; may change it. */
  onHead(head: ResponseHead): void;
  /** The exchange is over: undefined when it ended well, else what ended it. Called exactly once. */
  onDone(error: ProxyError | undefined): void;
  /** Body bytes that passed. */
  onBytes(sent: number, received: number): void;
}

/**
 * Forwards one request to `upstream` and its answer back, with back-pressure, resets and trailers both ways. When it fails
 * before a final head was sent, `server` is answered with the error's status and reason; after that it is reset.
 * @param head as the upstream shall see it
 */
export function join(
  server: ServerStream,
  upstream: ClientConnection,
  head: RequestHead,
  observer?: JoinObserver,
): void {
  throw new Error(`not built yet ${head.path} ${upstream.active} ${typeof server} ${typeof observer}`);
}
