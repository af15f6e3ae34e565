import type { ProxyError } from '../error.ts';
import { ByteQueue } from './byte-queue.ts';
import { resetCode } from './http2-errors.ts';
import { MAX_FRAME_BYTES, NO_ERROR, PROTOCOL_ERROR } from './http2-frames.ts';
import { defaultHttp2Settings } from './http2-settings.ts';
import type { Http2Connection } from './http2-connection.ts';
import type { Headers, StreamEvents } from './stream.ts';

/** What a hop takes although its reader stands still: the window that a stream begins with, and a piece that is queued before it. */
const NEXT_HOP_BYTES = defaultHttp2Settings.initialWindowBytes + MAX_FRAME_BYTES;

/**
 * One stream of an HTTP/2 connection, what both ends share: two directions, each with its window and its end. The window
 * opens again only for bytes that were heard, so a paused stream stops its sender and nobody else.
 */
export abstract class Http2Stream {
  /** 0 until the request is on the wire. */
  id = 0;
  sendWindow = 0;
  receiveWindow = 0;
  /** Whether it waits for a window or for the socket; the connection's to say. */
  blocked = false;
  /** In a tunnel both directions live on after the other's end. */
  protected tunnel = false;
  protected readonly connection: Http2Connection;
  /** Nothing is heard or said any more. */
  protected over = false;
  protected outEnded = false;
  #unreturned = 0;
  /** Since the window was widened last. */
  #heard = 0;
  /** Looks of the connection since something moved on this stream. */
  #quiet = 0;
  /** Lent by the connection to widen our window beyond what it began with. */
  #lent = 0;
  /** Of a body whose length was promised to us; -1 = unknown. */
  #expected = -1;
  /** Of a body whose length we have promised; -1 = unknown. */
  #owed = -1;
  /** Nearly all streams queue nothing. */
  #inQueue: ByteQueue | undefined = undefined;
  #inEnded = false;
  #endTold = false;
  #inTrailers: Headers | undefined = undefined;
  #paused = false;
  #outQueue: ByteQueue | undefined = undefined;
  #endQueued = false;
  #endSent = false;
  #outTrailers: Headers | undefined = undefined;

  constructor(connection: Http2Connection) {
    this.connection = connection;
  }

  protected abstract hear(): StreamEvents;
  protected abstract lost(code: number, cause: unknown): ProxyError;
  /** The peer's direction has ended and was heard. */
  protected abstract heardEnd(): void;

  protected expect(length: number): void {
    this.#expected = length;
  }

  protected promise(length: number): void {
    this.#owed = length;
  }

  get queued(): boolean {
    return this.#outQueue !== undefined && this.#outQueue.length > 0;
  }

  get #inQueued(): boolean {
    return this.#inQueue !== undefined && this.#inQueue.length > 0;
  }

  get inEnded(): boolean {
    return this.#inEnded;
  }

  /**
   * Counts the looks during which nothing has moved although the peer owes something: a window for what is queued, or the rest
   * of a body whose length it has named. A body of unknown length may pause for as long as it likes, as idle gRPC streams do,
   * and so may tunnels.
   * @param bodyDue whether the length of the peer's body counts: only that of a request, for answers have no deadline here
   */
  quietLooks(bodyDue: boolean): number {
    const due = bodyDue && this.#expected > 0 && !this.#inEnded && !this.#paused && !this.#inQueued;
    if (this.tunnel || !(this.queued || due)) this.#quiet = 0;
    else this.#quiet++;
    return this.#quiet;
  }

  // ---- from the peer

  /** @param bytes what the windows count: the payload with its padding */
  receiveData(chunk: Buffer, bytes: number, end: boolean): void {
    if (!this.queued) this.#quiet = 0; // a window is owed still, however much comes
    if (this.over || chunk.length < bytes) this.#credit(this.over ? bytes : bytes - chunk.length);
    if (this.over) return this.#receivedEnd(end);
    if (this.#expected >= 0) {
      this.#expected -= chunk.length;
      if (this.#expected < 0 || (end && this.#expected > 0)) {
        this.#credit(chunk.length);
        return this.connection.streamError(this, PROTOCOL_ERROR);
      }
    }
    if (chunk.length > 0) {
      if (this.#paused || this.#inQueued) {
        (this.#inQueue ??= new ByteQueue()).push(chunk);
        this.connection.adaptWindows();
      } else this.#tell(chunk);
    }
    this.#receivedEnd(end);
  }

  /** The end of the peer's direction, by a flag or by trailers. */
  receiveEnd(trailers: Headers | undefined): void {
    if (this.#expected > 0 && !this.over) return this.connection.streamError(this, PROTOCOL_ERROR);
    this.#inTrailers = trailers;
    this.#receivedEnd(true);
  }

  #receivedEnd(end: boolean): void {
    if (!end) return;
    this.#inEnded = true;
    this.#tellEnd();
    this.close();
  }

  #tell(chunk: Buffer): void {
    this.hear().onData(chunk);
    this.#credit(chunk.length);
  }

  #tellEnd(): void {
    if (!this.#inEnded || this.#endTold || this.over || this.#paused || this.#inQueued) return;
    this.#endTold = true;
    this.hear().onEnd(this.#inTrailers);
    if (this.tunnel && this.outEnded) this.over = true;
    if (!this.over) this.heardEnd();
    this.close();
  }

  /** Gives bytes that were heard, or that nobody will hear, back to the peer's windows. */
  #credit(bytes: number): void {
    if (bytes === 0) return;
    this.connection.credit(bytes);
    if (this.#inEnded || this.over) return;
    this.#unreturned += bytes;
    this.#heard += bytes;
    this.returnHeard();
  }

  /** Opens the peer's window again by what was heard, when it is worth a frame. */
  returnHeard(): void {
    if (this.#inEnded || this.over) return;
    const { maxWindowBytes } = this.connection.settings;
    const window = this.connection.receiving.first + this.#lent;
    if (this.#unreturned < window / 2) return;
    // More was heard than the next hop alone can have swallowed: this reader keeps up, and gets twice as much
    let more = 0;
    if (this.#heard > Math.max(window, NEXT_HOP_BYTES)) {
      more = this.connection.receiving.lend(Math.min(window, maxWindowBytes - window));
      this.#lent += more;
      this.#heard = 0;
    }
    this.receiveWindow += this.#unreturned + more;
    this.connection.sendWindowUpdate(this.id, this.#unreturned + more);
    this.#unreturned = 0;
  }

  /** The stream takes no more room. */
  forgotten(): void {
    this.connection.receiving.giveBack(this.#lent);
    this.#lent = 0;
  }

  /** RST_STREAM from the peer, or the end of the connection. */
  receiveReset(code: number, cause?: unknown): void {
    if (this.#inEnded && code === NO_ERROR && !this.tunnel) {
      this.outEnded = this.#endSent = true; // RFC 9113 8.1: the answer is whole, the rest of the request is not wanted
      this.#outQueue?.clear();
      return this.close();
    }
    this.fail(this.lost(code, cause));
  }

  /** Ends the stream for whoever hears it, without a word to the peer. */
  fail(error: ProxyError): void {
    const heard = this.over;
    this.abandon();
    if (!heard) this.hear().onError(error);
  }

  /** Forgets everything; the peer knows, or is told by the caller. */
  abandon(): void {
    this.deafen();
    this.#outQueue?.clear();
    this.#inEnded = this.#endSent = this.outEnded = true;
    this.close();
  }

  /** Hears nothing from now on; what was received and not heard goes back to the window. */
  protected deafen(): void {
    this.over = true;
    const queue = this.#inQueue;
    if (queue === undefined) return;
    const left = queue.length;
    queue.clear();
    if (left > 0) this.connection.credit(left);
  }

  /** Both directions have ended on the wire, and what was received has been heard: the stream takes no more room. */
  close(): void {
    if (this.#inEnded && this.#endSent && (this.over || this.#endTold)) this.connection.forget(this);
  }

  // ---- to the peer

  sendData(chunk: Buffer): boolean {
    if (this.over || this.outEnded || chunk.length === 0) return true;
    if (this.#owed >= 0) {
      if (chunk.length > this.#owed) {
        this.wrongLength();
        return true;
      }
      this.#owed -= chunk.length;
    }
    // Behind what waits already, for the socket too: of many streams each would put a piece into its queue
    const free = !this.queued && this.connection.sending.writable();
    const sent = free ? this.#write(chunk, chunk.length) : 0;
    if (sent < chunk.length) (this.#outQueue ??= new ByteQueue()).push(sent === 0 ? chunk : chunk.subarray(sent));
    else if (this.connection.sending.writable()) return true;
    this.connection.sending.block(this);
    return false;
  }

  sendEnd(trailers?: Headers): void {
    if (this.over || this.outEnded) return;
    if (this.#owed > 0) return this.wrongLength();
    this.outEnded = true;
    this.#outTrailers = trailers;
    if (this.queued) this.#endQueued = true;
    else this.#writeEnd();
    this.saidEnd();
  }

  /** What the end of our direction means for the other one. */
  protected saidEnd(): void {
    if (this.tunnel && this.#endTold) this.over = true;
    this.close();
  }

  protected abstract wrongLength(): void;

  reset(error: ProxyError): void {
    if (this.over) return;
    if (this.id !== 0) this.connection.sendReset(this.id, resetCode(error));
    this.abandon();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    process.nextTick(() => this.#resumed());
  }

  #resumed(): void {
    while (!this.#paused && !this.over && this.#inQueued) this.#inQueue!.tell((bytes) => this.#tell(bytes));
    this.#tellEnd();
  }

  /** Sends from the queue, at most `limit` bytes, as far as the windows allow. @returns whether something was sent */
  pump(limit: number): boolean {
    if (!this.queued) return false;
    const queue = this.#outQueue!;
    const sent = this.#write(queue.first(), limit);
    if (sent > 0) queue.drop(sent);
    if (!this.queued && this.#endQueued) {
      this.#endQueued = false;
      this.#writeEnd();
      this.close();
    }
    return sent > 0;
  }

  /** The queue is empty and the connection takes more. */
  unblocked(): void {
    if (!this.over && !this.outEnded) this.hear().onWritable();
  }

  #write(chunk: Buffer, limit: number): number {
    const window = Math.min(limit, chunk.length, this.sendWindow, this.connection.sending.window);
    if (window <= 0 || this.id === 0) return 0;
    this.sendWindow -= window;
    this.#quiet = 0;
    this.connection.sending.write(this.id, window === chunk.length ? chunk : chunk.subarray(0, window));
    return window;
  }

  #writeEnd(): void {
    if (this.id === 0) {
      this.#endQueued = true; // not on the wire yet
      return;
    }
    this.#endSent = true;
    this.connection.sendEndOf(this.id, this.#outTrailers);
  }

  /** The request is on the wire: what was said before may follow. */
  protected started(endSent: boolean): void {
    if (endSent) {
      this.outEnded = this.#endSent = true;
      return;
    }
    while (this.pump(Infinity));
    if (this.queued) this.connection.sending.block(this);
    else if (this.#endQueued) {
      this.#endQueued = false;
      this.#writeEnd();
    }
  }
}
