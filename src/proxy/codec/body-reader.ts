import { ChunkedDecoder, type ChunkSink } from './chunked.ts';
import type { Headers } from './stream.ts';

/** How a message's body is delimited: its length in bytes, or one of these two. */
export const CHUNKED = -1;
export const UNTIL_CLOSE = -2;

/** Cuts one body after the other out of the bytes of a connection. One per connection, started anew for each message. */
export class BodyReader {
  /** The whole body has been read. Set before the last piece is handed out, where the length is known. */
  done = true;
  error: string | undefined = undefined;
  trailers: Headers | undefined = undefined;
  #length = 0;
  readonly #chunks = new ChunkedDecoder();

  start(length: number): void {
    this.#length = length;
    this.done = length === 0;
    this.error = undefined;
    this.trailers = undefined;
    if (length === CHUNKED) this.#chunks.reset();
  }

  /** Bytes that are still to come, as far as known; 0 for chunked. */
  get left(): number {
    return Math.max(0, this.#length);
  }

  /**
   * Hands what `bytes` holds of the body to `sink`, without copying.
   * @returns how many bytes were taken; the sink can stop it by returning false
   */
  read(bytes: Buffer, sink: ChunkSink): number {
    if (this.#length === CHUNKED) return this.#readChunked(bytes, sink);
    if (this.#length === UNTIL_CLOSE || bytes.length < this.#length) {
      if (this.#length > 0) this.#length -= bytes.length;
      sink.onChunk(bytes);
      return bytes.length;
    }
    const end = this.#length;
    this.#length = 0;
    this.done = true;
    sink.onChunk(end === bytes.length ? bytes : bytes.subarray(0, end));
    return end;
  }

  #readChunked(bytes: Buffer, sink: ChunkSink): number {
    const taken = this.#chunks.decode(bytes, 0, sink);
    this.done = this.#chunks.done;
    this.error = this.#chunks.error;
    this.trailers = this.#chunks.trailers;
    return taken;
  }
}
