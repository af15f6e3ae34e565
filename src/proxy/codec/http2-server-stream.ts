import { ProxyError } from '../error.ts';
import { deaf } from './http1-server-stream.ts';
import { downstreamReset } from './http2-errors.ts';
import { NO_ERROR } from './http2-frames.ts';
import { Http2Stream } from './http2-stream.ts';
import type { Headers, RequestHead, ResponseHead, ServerStream, StreamEvents, TakenSocket } from './stream.ts';

/** The side that received the request. */
export class Http2ServerStream extends Http2Stream implements ServerStream {
  events: StreamEvents = deaf;
  #head: RequestHead | undefined = undefined;
  #headSent = false;
  #bodiless = false;

  /** @param head undefined for a request that is refused by the codec */
  begin(head: RequestHead | undefined): void {
    this.#head = head;
    if (head !== undefined) this.expect(head.contentLength);
  }

  protected override hear(): StreamEvents {
    return this.events;
  }

  protected override lost(code: number, cause: unknown): ProxyError {
    return downstreamReset(code, cause);
  }

  protected override heardEnd(): void {}

  protected override wrongLength(): void {
    this.reset(new ProxyError('INTERNAL', 'the body does not have the length that its head has promised'));
  }

  sendInformational(head: ResponseHead): void {
    if (this.over || this.#headSent || head.status === 101) return;
    this.connection.sendResponse(this.id, head, true, false);
  }

  sendHead(head: ResponseHead): void {
    if (this.over || this.#headSent) return;
    this.#headSent = true;
    const request = this.#head;
    const wantsTunnel = request !== undefined && (request.protocol !== undefined || request.method === 'CONNECT');
    this.tunnel = wantsTunnel && head.status < 300;
    this.#bodiless = request?.method === 'HEAD' || head.status === 204 || head.status === 304;
    this.promise(this.tunnel || this.#bodiless ? -1 : head.contentLength);
    if (!this.connection.sendResponse(this.id, head, this.#bodiless, this.tunnel)) this.wrongLength();
  }

  override sendData(chunk: Buffer): boolean {
    return this.#bodiless || !this.#headSent ? true : super.sendData(chunk);
  }

  override sendEnd(trailers?: Headers): void {
    if (this.over) return;
    if (!this.#headSent) return this.wrongLength();
    super.sendEnd(this.#bodiless ? undefined : trailers);
  }

  /** RFC 9113 8.1: after the whole response the rest of the request is asked for no more, without an error. */
  protected override saidEnd(): void {
    if (!this.tunnel) {
      this.deafen();
      if (!this.inEnded && !this.queued) {
        this.connection.sendReset(this.id, NO_ERROR);
        this.abandon();
      }
    }
    super.saidEnd();
  }

  takeSocket(): TakenSocket | undefined {
    return undefined;
  }
}
