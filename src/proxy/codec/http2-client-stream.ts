import { ProxyError } from '../error.ts';
import type { Http2Connection } from './http2-connection.ts';
import { upstreamReset } from './http2-errors.ts';
import { CANCEL } from './http2-frames.ts';
import { responseOf } from './http2-head.ts';
import type { Section } from './http2-section.ts';
import { Http2Stream } from './http2-stream.ts';
import type { ClientStream, ClientStreamEvents, RequestHead, StreamEvents } from './stream.ts';

/** The side that sent the request. */
export class Http2ClientStream extends Http2Stream implements ClientStream {
  events: ClientStreamEvents;
  readonly head: RequestHead;
  #headSeen = false;

  constructor(connection: Http2Connection, head: RequestHead, events: ClientStreamEvents) {
    super(connection);
    this.head = head;
    this.events = events;
    const tunnel = head.protocol !== undefined || head.method === 'CONNECT';
    this.promise(tunnel ? -1 : head.contentLength);
  }

  /** The request's head is on the wire. */
  begin(endSent: boolean): void {
    this.started(endSent);
  }

  get isOver(): boolean {
    return this.over;
  }

  /** A HEADERS block that came for this stream. @returns false when it breaks RFC 9113 */
  receiveHead(section: Section, end: boolean): boolean {
    const head = responseOf(section, end || this.head.method === 'HEAD');
    if (head === undefined) return false;
    if (head.status < 200) {
      if (end || head.status === 101) return false;
      if (!this.over) this.events.onInformational(head);
      return true;
    }
    this.#headSeen = true;
    this.tunnel = (this.head.protocol !== undefined || this.head.method === 'CONNECT') && head.status < 300;
    this.expect(this.tunnel || head.contentLength === 0 ? -1 : head.contentLength);
    if (!this.over) this.events.onHead(head);
    return true;
  }

  get headSeen(): boolean {
    return this.#headSeen;
  }

  protected override hear(): StreamEvents {
    return this.events;
  }

  protected override lost(code: number, cause: unknown): ProxyError {
    return upstreamReset(code, cause);
  }

  /** The response is complete: what is left of the request interests nobody (RFC 9113 8.1). */
  protected override heardEnd(): void {
    if (this.tunnel) return;
    if (!this.outEnded || this.queued) {
      this.connection.sendReset(this.id, CANCEL);
      this.abandon();
    }
  }

  protected override wrongLength(): void {
    if (this.id !== 0) this.connection.sendReset(this.id, CANCEL);
    this.fail(new ProxyError('INTERNAL', 'the request body does not have the length that its head has promised'));
  }
}
