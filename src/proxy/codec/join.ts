import type { ProxyError } from '../error.ts';
import { refuse } from './refuse.ts';
import { deaf } from './http1-server-stream.ts';
import type {
  ClientConnection,
  ClientStream,
  ClientStreamEvents,
  Headers,
  RequestHead,
  ResponseHead,
  ServerStream,
  StreamEvents,
} from './stream.ts';

/** Looks on while an exchange passes. None of the methods may throw. */
export interface JoinObserver {
  /** The final head, before it is sent on; may change it. */
  onHead(head: ResponseHead): void;
  /** A piece of the request body (or of the tunnel towards the server) has passed. */
  onSent(bytes: number): void;
  /** A piece of the response body (or of the tunnel towards the client) has passed. */
  onReceived(bytes: number): void;
  /** Trailers of the response, before they are sent on: gRPC's status is there. */
  onTrailers?(trailers: Headers): void;
  /**
   * The upstream has refused a request without a body and has done nothing with it (`error.retryable`), or has closed an
   * idle connection while it was on its way and it may be sent twice (`error.stale`). True takes the
   * exchange back: nothing was answered, and it may be joined to another upstream. Then onDone does not come.
   */
  onRefused?(error: ProxyError): boolean;
  /** The exchange is over: undefined when it ended well, else what ended it. Called exactly once. */
  onDone(error: ProxyError | undefined): void;
}

const nobody: JoinObserver = { onHead() {}, onSent() {}, onReceived() {}, onDone() {} };

/**
 * Forwards one request to `upstream` and its answer back, with back-pressure, resets and trailers both ways. When it fails
 * before a final head was sent, `server` is answered with the error's status and reason; after that it is reset.
 *
 * May be called later than the handler: then the handler sets `stream.events` (for `onError`: the client has gone) and calls
 * `stream.pause()`, which keeps everything in place until here.
 * @param head as the upstream shall see it
 */
export function join(
  server: ServerStream,
  upstream: ClientConnection,
  head: RequestHead,
  observer: JoinObserver = nobody,
): void {
  const bodiless = head.contentLength === 0 && head.protocol === undefined && head.method !== 'CONNECT';
  const there = new TowardsClient(server, observer, head.protocol !== undefined || head.method === 'CONNECT', bodiless);
  const client = upstream.open(head, bodiless, there);
  const here = new TowardsServer(client, there, observer);
  there.client = client;
  server.events = here;
  server.resume();
}

/** Hears the client's side of an exchange and speaks to the server. */
class TowardsServer implements StreamEvents {
  readonly #client: ClientStream;
  readonly #back: TowardsClient;
  readonly #observer: JoinObserver;

  constructor(client: ClientStream, back: TowardsClient, observer: JoinObserver) {
    this.#client = client;
    this.#back = back;
    this.#observer = observer;
  }

  onData(chunk: Buffer): void {
    this.#observer.onSent(chunk.length);
    if (!this.#client.sendData(chunk)) this.#back.server.pause();
  }

  onEnd(trailers: Headers | undefined): void {
    this.#client.sendEnd(trailers);
    this.#back.requestEnded();
  }

  onWritable(): void {
    this.#client.resume();
  }

  onError(error: ProxyError): void {
    this.#client.reset(error);
    this.#back.finish(error);
  }
}

/** Hears the server's side of an exchange and speaks to the client. */
class TowardsClient implements ClientStreamEvents {
  readonly server: ServerStream;
  client: ClientStream | undefined = undefined;
  readonly #observer: JoinObserver;
  readonly #wantsTunnel: boolean;
  readonly #bodiless: boolean;
  #tunnel = false;
  #headSent = false;
  #requestEnded = false;
  #responseEnded = false;
  #finished = false;

  constructor(server: ServerStream, observer: JoinObserver, wantsTunnel: boolean, bodiless: boolean) {
    this.server = server;
    this.#observer = observer;
    this.#wantsTunnel = wantsTunnel;
    this.#bodiless = bodiless;
  }

  onInformational(head: ResponseHead): void {
    this.server.sendInformational(head);
  }

  onHead(head: ResponseHead): void {
    this.#headSent = true;
    this.#tunnel = this.#wantsTunnel && head.status < 300;
    this.#observer.onHead(head);
    this.server.sendHead(head);
  }

  onData(chunk: Buffer): void {
    this.#observer.onReceived(chunk.length);
    if (!this.server.sendData(chunk)) this.client?.pause();
  }

  onEnd(trailers: Headers | undefined): void {
    this.#responseEnded = true;
    if (trailers !== undefined) this.#observer.onTrailers?.(trailers);
    this.server.sendEnd(trailers);
    // An exchange is over with its response; a tunnel lives until both directions have ended.
    if (!this.#tunnel || this.#requestEnded) this.finish(undefined);
  }

  onWritable(): void {
    this.server.resume();
  }

  onError(error: ProxyError): void {
    if (this.#finished) return;
    if (this.#bodiless && !this.#headSent && error.retryable && this.#observer.onRefused?.(error) === true) {
      this.#finished = true;
      return;
    }
    this.server.events = deaf;
    if (this.#headSent) this.server.reset(error);
    else refuse(this.server, error);
    this.finish(error);
  }

  /** The request, or the tunnel's direction towards the server, is complete. */
  requestEnded(): void {
    this.#requestEnded = true;
    if (this.#responseEnded) this.finish(undefined);
  }

  finish(error: ProxyError | undefined): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#observer.onDone(error);
  }
}
