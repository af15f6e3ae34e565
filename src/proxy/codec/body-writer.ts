import { CHUNKED } from './body-reader.ts';
import { encodeLastChunk } from './http1-encode.ts';
import type { Http1Buffer } from './http1-buffer.ts';
import type { Headers } from './stream.ts';

/** Frames outgoing bodies as their heads have promised. One per connection, started anew for each message. */
export class BodyWriter {
  readonly #out: Http1Buffer;
  /** Bytes still owed, or CHUNKED, or UNTIL_CLOSE. */
  #owed = 0;

  constructor(out: Http1Buffer) {
    this.#out = out;
  }

  start(length: number): void {
    this.#owed = length;
    this.#out.wholeTurn = length !== 0;
  }

  /** @returns false when this is more than was promised; nothing is written then */
  data(chunk: Buffer): boolean {
    if (chunk.length === 0) return true; // an empty chunk would end a chunked body
    if (this.#owed === CHUNKED) {
      this.#out.pushChunk(chunk);
      return true;
    }
    if (this.#owed >= 0) {
      if (chunk.length > this.#owed) return false;
      this.#owed -= chunk.length;
    }
    this.#out.push(chunk);
    return true;
  }

  /** @returns false when less was sent than promised: only a broken connection can tell the peer */
  end(trailers: Headers | undefined): boolean {
    if (this.#owed > 0) return false;
    this.#out.wholeTurn = false;
    if (this.#owed === CHUNKED) this.#out.push(encodeLastChunk(trailers));
    return true;
  }
}
