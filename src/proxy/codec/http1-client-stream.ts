import type { ProxyError } from '../error.ts';
import type { Http1ClientConnection } from './http1-client-connection.ts';
import type { ClientStream, ClientStreamEvents, Headers } from './stream.ts';

/** One request of a connection, as its sender sees it. Once the exchange is over, every call is without effect. */
export class Http1ClientStream implements ClientStream {
  events: ClientStreamEvents;
  readonly #connection: Http1ClientConnection;

  constructor(connection: Http1ClientConnection, events: ClientStreamEvents) {
    this.#connection = connection;
    this.events = events;
  }

  sendData(chunk: Buffer): boolean {
    return this.#connection.isCurrent(this) ? this.#connection.sendData(chunk) : true;
  }

  sendEnd(trailers?: Headers): void {
    if (this.#connection.isCurrent(this)) this.#connection.sendEnd(trailers);
  }

  reset(_error: ProxyError): void {
    if (this.#connection.isCurrent(this)) this.#connection.reset();
  }

  pause(): void {
    if (this.#connection.isCurrent(this)) this.#connection.pause();
  }

  resume(): void {
    if (this.#connection.isCurrent(this)) this.#connection.resume();
  }
}
