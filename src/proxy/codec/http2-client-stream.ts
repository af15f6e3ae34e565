import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { ProxyError } from '../error.ts';
import { resetCode, upstreamReset } from './http2-errors.ts';
import { fieldsOfRequest, responseFromFields } from './http2-head.ts';
import type { ClientStream, ClientStreamEvents, Headers, RequestHead } from './stream.ts';
import { keepTrailers } from './trailers.ts';

/** node:http2 takes and gives flat field lists, which its types do not know yet. */
type RawRequest = (fields: string[], options: { endStream: boolean; waitForTrailers: boolean }) => ClientHttp2Stream;

/** One request that goes over node:http2. */
export class Http2ClientStream implements ClientStream {
  events: ClientStreamEvents;
  readonly #head: RequestHead;
  readonly #onGone: () => void;
  #stream: ClientHttp2Stream | undefined = undefined;
  #paused = false;
  #early: Buffer[] = [];
  /** Body that came before its head; undefined = none. */
  #ahead: Buffer[] | undefined = undefined;
  #endedAhead = false;
  #trailersIn: Headers | undefined = undefined;
  #trailersOut: Headers | undefined = undefined;
  #tunnel = false;
  #headSeen = false;
  #outEnded = false;
  #ended = false;
  #over = false;
  #left = false;
  #owed = -1;

  /** @param onGone called once, when the stream takes no more room on its connection */
  constructor(head: RequestHead, events: ClientStreamEvents, onGone: () => void) {
    this.#head = head;
    this.events = events;
    this.#onGone = onGone;
  }

  /** Sends the request, and what was said on the stream before. */
  start(session: ClientHttp2Session, endStream: boolean): void {
    if (this.#over) return;
    const tunnel = this.#head.protocol !== undefined || this.#head.method === 'CONNECT';
    this.#owed = tunnel ? -1 : this.#head.contentLength;
    const request = session.request.bind(session) as unknown as RawRequest;
    let stream: ClientHttp2Stream;
    try {
      const options = { endStream, waitForTrailers: !endStream && this.#owed === -1 };
      stream = request(fieldsOfRequest(this.#head, endStream), options);
    } catch (error) {
      return this.fail(new ProxyError('INTERNAL', `the request cannot be sent: ${(error as Error).message}`));
    }
    this.#stream = stream;
    this.#listen(stream);
    for (const chunk of this.#early) stream.write(chunk);
    this.#early = [];
    if (this.#outEnded && !endStream) stream.end();
    if (this.#paused) stream.pause();
  }

  #listen(stream: ClientHttp2Stream): void {
    stream.on('error', () => {}); // 'close' follows, and says the same
    stream.on('close', () => this.#closed(stream));
    stream.on('headers', (_fields, _flags, raw?: string[]) => this.#informational(raw));
    stream.on('response', (_fields, flags, raw?: string[]) => this.#response(flags, raw));
    stream.on('trailers', (_fields, _flags, raw?: string[]) => (this.#trailersIn = raw && keepTrailers(raw)));
    stream.on('data', (chunk: Buffer) => this.#data(chunk));
    stream.on('end', () => this.#end());
    stream.on('drain', () => this.#over || this.events.onWritable());
    stream.on('wantTrailers', () => this.#sendTrailers(stream));
  }

  /** Ends a stream that never got onto the wire. */
  fail(error: ProxyError): void {
    if (this.#over) return;
    this.#over = true;
    process.nextTick(() => {
      this.#leave();
      this.events.onError(error);
    });
  }

  sendData(chunk: Buffer): boolean {
    if (this.#over || this.#outEnded) return true;
    if (this.#owed >= 0) {
      if (chunk.length > this.#owed) return this.#broken();
      this.#owed -= chunk.length;
    }
    if (this.#stream === undefined) {
      this.#early.push(chunk);
      return true; // the sender of a tunnel waits for the head anyway
    }
    return this.#stream.writable ? this.#stream.write(chunk) : true;
  }

  sendEnd(trailers?: Headers): void {
    if (this.#over || this.#outEnded) return;
    if (this.#owed > 0) return void this.#broken();
    this.#outEnded = true;
    this.#trailersOut = trailers;
    if (this.#stream?.writable === true) this.#stream.end();
    if (this.#tunnel && this.#ended) this.#over = true;
  }

  reset(error: ProxyError): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#stream === undefined) this.#leave();
    else this.#stream.close(error.code === 'DOWNSTREAM_RESET' ? 8 : resetCode(error));
  }

  pause(): void {
    this.#paused = true;
    this.#stream?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#stream?.resume();
  }

  #informational(raw: string[] | undefined): void {
    const head = raw && responseFromFields(raw, true);
    if (head !== undefined && !this.#over) this.events.onInformational(head);
  }

  #response(flags: number, raw: string[] | undefined): void {
    if (this.#over) return;
    const bodiless = (flags & 1) !== 0 || this.#head.method === 'HEAD';
    const head = raw && responseFromFields(raw, bodiless);
    if (head === undefined) {
      this.#stream?.close(1);
      return this.#lost(new ProxyError('UPSTREAM_PROTOCOL', 'the response head breaks RFC 9113'));
    }
    const wantsTunnel = this.#head.protocol !== undefined || this.#head.method === 'CONNECT';
    this.#tunnel = wantsTunnel && head.status < 300;
    this.#headSeen = true;
    this.events.onHead(head);
    for (const chunk of this.#ahead ?? []) if (!this.#over) this.events.onData(chunk);
    this.#ahead = undefined;
    if (this.#endedAhead) this.#end();
  }

  /** node:http2 tells the head on the next tick, but data that came in the same read at once. */
  #data(chunk: Buffer): void {
    if (this.#over) return;
    if (this.#headSeen) this.events.onData(chunk);
    else (this.#ahead ??= []).push(chunk);
  }

  #end(): void {
    this.#ended = true;
    if (this.#over) return;
    if (!this.#headSeen) {
      this.#endedAhead = true; // the head follows, or 'close' with the reason
      return;
    }
    if (!this.#tunnel || this.#outEnded) this.#over = true;
    // The response is complete: what is left of the request interests nobody (RFC 9113 8.1).
    if (!this.#tunnel && !this.#outEnded) this.#stream?.close(8);
    this.events.onEnd(this.#trailersIn);
  }

  #closed(stream: ClientHttp2Stream): void {
    this.#leave();
    if (!this.#over) this.#lost(upstreamReset(stream.rstCode ?? 0, undefined));
  }

  #lost(error: ProxyError): void {
    this.#over = true;
    this.events.onError(error);
  }

  #leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#onGone();
  }

  #broken(): true {
    this.#stream?.close(2);
    this.#lost(new ProxyError('INTERNAL', 'the request body does not have the length that its head has promised'));
    return true;
  }

  #sendTrailers(stream: ClientHttp2Stream): void {
    const fields: Record<string, string | string[]> = {};
    const list = this.#trailersOut ?? [];
    for (let i = 0; i < list.length; i += 2) {
      const before = fields[list[i]!];
      fields[list[i]!] = before === undefined ? list[i + 1]! : [before, list[i + 1]!].flat();
    }
    try {
      stream.sendTrailers(fields);
    } catch {
      stream.close(2);
    }
  }
}
