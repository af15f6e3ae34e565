import type { ServerHttp2Stream } from 'node:http2';
import type { ProxyError } from '../error.ts';
import { downstreamReset, resetCode } from './http2-errors.ts';
import { fieldsOfResponse } from './http2-head.ts';
import { deaf } from './http1-server-stream.ts';
import type { Headers, RequestHead, ResponseHead, ServerStream, StreamEvents, TakenSocket } from './stream.ts';
import { keepTrailers } from './trailers.ts';

/** node:http2 takes and gives flat field lists, which its types do not know yet. */
type RawRespond = (
  fields: string[],
  options: { endStream: boolean; waitForTrailers: boolean; sendDate: boolean },
) => void;

/** One request that came over node:http2. */
export class Http2ServerStream implements ServerStream {
  events: StreamEvents = deaf;
  readonly #stream: ServerHttp2Stream;
  readonly #head: RequestHead | undefined;
  #started = false;
  #paused = false;
  #ended = false;
  #trailersIn: Headers | undefined = undefined;
  #trailersOut: Headers | undefined = undefined;
  #tunnel = false;
  #bodiless = false;
  #outEnded = false;
  #over = false;
  #owed = -1;
  /** The head of an empty answer, until it is known whether trailers follow. */
  #held: string[] | undefined = undefined;

  constructor(stream: ServerHttp2Stream, head: RequestHead | undefined) {
    this.#stream = stream;
    this.#head = head;
    stream.on('error', () => {}); // 'close' follows, and says the same
    stream.on('close', () => this.#closed());
    stream.on('trailers', (_fields, _flags, raw?: string[]) => (this.#trailersIn = raw && keepTrailers(raw)));
    stream.on('drain', () => this.#over || this.events.onWritable());
    stream.on('wantTrailers', () => this.#sendTrailers());
    stream.on('end', () => this.#end());
    // node closes a stream on `aborted` by itself; a half-closed tunnel is no abort
  }

  /** The handler has set `events`: data may flow, unless it has paused. */
  start(): void {
    this.#started = true;
    this.#stream.on('data', (chunk: Buffer) => {
      if (!this.#over) this.events.onData(chunk);
    });
    if (this.#paused) this.#stream.pause();
    else this.#stream.resume();
  }

  sendInformational(head: ResponseHead): void {
    if (this.#over || this.#stream.headersSent || head.status === 101) return;
    const fields: Record<string, string> = { ':status': String(head.status) };
    for (let i = 0; i < head.headers.length; i += 2) fields[head.headers[i]!] = head.headers[i + 1]!;
    this.#guard(() => this.#stream.additionalHeaders(fields));
  }

  sendHead(head: ResponseHead): void {
    if (this.#over || this.#held !== undefined || this.#stream.headersSent || this.#stream.destroyed) return;
    const request = this.#head;
    const wantsTunnel = request !== undefined && (request.protocol !== undefined || request.method === 'CONNECT');
    this.#tunnel = wantsTunnel && head.status < 300;
    this.#bodiless = request?.method === 'HEAD' || head.status === 204 || head.status === 304;
    this.#owed = this.#tunnel || this.#bodiless ? -1 : head.contentLength;
    const fields = fieldsOfResponse(head, this.#bodiless, this.#tunnel);
    // An empty body ends with the head where it can: gRPC knows its trailers-only answers by that.
    if (this.#owed === 0) this.#held = fields;
    else this.#respond(fields, this.#bodiless);
  }

  #respond(fields: string[], endStream: boolean): void {
    this.#held = undefined;
    const options = { endStream, waitForTrailers: !endStream && this.#owed <= 0, sendDate: false };
    const respond = this.#stream.respond.bind(this.#stream) as unknown as RawRespond;
    this.#guard(() => respond(fields, options));
  }

  sendData(chunk: Buffer): boolean {
    if (this.#over || this.#bodiless || !this.#stream.writable) return true;
    if (this.#owed >= 0) {
      if (chunk.length > this.#owed) return this.#abort();
      this.#owed -= chunk.length;
    }
    return this.#stream.write(chunk);
  }

  sendEnd(trailers?: Headers): void {
    if (this.#over || this.#outEnded) return;
    if (this.#held !== undefined) this.#respond(this.#held, trailers === undefined);
    if (!this.#stream.headersSent || this.#owed > 0) return void this.#abort();
    this.#outEnded = true;
    this.#trailersOut = trailers;
    this.#stream.end();
    if (this.#tunnel) {
      if (this.#ended) this.#over = true;
      return;
    }
    this.#over = true;
    // RFC 9113 8.1: after the whole response the rest of the request is asked for no more, without an error.
    if (!this.#ended) this.#stream.once('finish', () => this.#ended || this.#stream.close(0));
    this.#stream.resume();
  }

  reset(error: ProxyError): void {
    if (this.#over) return;
    this.#over = true;
    this.#stream.close(resetCode(error));
  }

  pause(): void {
    this.#paused = true;
    if (this.#started && !this.#over) this.#stream.pause();
  }

  resume(): void {
    this.#paused = false;
    if (this.#started && !this.#over) this.#stream.resume();
  }

  takeSocket(): TakenSocket | undefined {
    return undefined;
  }

  #end(): void {
    this.#ended = true;
    if (this.#over) return;
    this.events.onEnd(this.#trailersIn);
    if (this.#tunnel && this.#outEnded) this.#over = true;
  }

  #closed(): void {
    if (this.#over) return;
    this.#over = true;
    this.events.onError(downstreamReset(this.#stream.rstCode ?? 0, undefined));
  }

  #sendTrailers(): void {
    const fields: Record<string, string | string[]> = {};
    const list = this.#trailersOut ?? [];
    for (let i = 0; i < list.length; i += 2) {
      const before = fields[list[i]!];
      fields[list[i]!] = before === undefined ? list[i + 1]! : [before, list[i + 1]!].flat();
    }
    this.#guard(() => this.#stream.sendTrailers(fields));
  }

  #abort(): true {
    if (!this.#over) this.#stream.close(2);
    this.#over = true;
    return true;
  }

  /** node:http2 throws when a field is not to its liking: then the peer sees a reset, never half a head. */
  #guard(send: () => void): void {
    try {
      send();
    } catch {
      this.#abort();
    }
  }
}
