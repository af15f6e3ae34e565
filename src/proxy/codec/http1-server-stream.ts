import type { ProxyError } from '../error.ts';
import type { Http1ServerConnection } from './http1-server-connection.ts';
import type { Headers, ResponseHead, ServerStream, StreamEvents, TakenSocket } from './stream.ts';

/** Hears nothing. What a stream begins with, and what a handler that does not care may use. */
export const deaf: StreamEvents = {
  onData() {},
  onEnd() {},
  onError() {},
  onWritable() {},
};

/** One exchange of a connection, as its handler sees it. Once the exchange is over, every call is without effect. */
export class Http1ServerStream implements ServerStream {
  events: StreamEvents = deaf;
  readonly #connection: Http1ServerConnection;

  constructor(connection: Http1ServerConnection) {
    this.#connection = connection;
  }

  sendInformational(head: ResponseHead): void {
    if (this.#connection.isCurrent(this)) this.#connection.sendInformational(head);
  }

  sendHead(head: ResponseHead): void {
    if (this.#connection.isCurrent(this)) this.#connection.sendHead(head);
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

  takeSocket(): TakenSocket | undefined {
    return this.#connection.isCurrent(this) ? this.#connection.takeSocket() : undefined;
  }
}
