import { TOKEN, VALUE } from './chars.ts';
import type { Headers } from './stream.ts';
import { FieldBlock } from './http1-fields.ts';
import { keepTrailers } from './trailers.ts';

/** Longest size line with its extension: 8 digits and a short extension (suites 3.1; CVE-2024-22019 in Node). */
const MAX_LINE = 72;
/** Bytes of framing that are free; beyond, 12 per payload byte, which one-byte chunks need. */
const FREE_OVERHEAD = 4096;
/** Extensions of a whole message. Nobody uses them; we drop them. */
const MAX_EXTENSIONS = 4096;
const MAX_TRAILER_BYTES = 8192;
const MAX_TRAILERS = 32;

/** Chunks below this are gathered: handed on one by one, a flood of one-byte chunks would cost a frame each. */
const SMALL = 512;
const GATHERED_BYTES = 16 * 1024;

const SIZE = 0; // at the first digit, or in the digits
const EXTENSION = 1; // behind the first byte of its name
const SIZE_LF = 2;
const DATA = 3;
const DATA_CR = 4;
const DATA_LF = 5;
const TRAILER = 6;
const DONE = 7;
const EXTENSION_NAME = 8; // behind `;`

/** Whom the decoder tells. `onChunk` returns false to stop after this piece: `decode` then returns early. */
export interface ChunkSink {
  onChunk(piece: Buffer): boolean;
}

/**
 * Decodes a chunked body (RFC 9112 7.1), however it is cut into pieces. Size lines are never passed on: the other side
 * is chunked anew. Strict: at most 8 hex digits, no white space, CRLF only.
 */
export class ChunkedDecoder {
  #state = SIZE;
  #digits = 0;
  #remaining = 0;
  #line = 0;
  #extensions = 0;
  #overhead = 0;
  #payload = 0;
  #trailer: Buffer[] = [];
  #trailerBytes = 0;
  #lineStart = true;
  #lastByte = 0;
  #gathered: Buffer | undefined = undefined;
  #gatheredBytes = 0;
  /** Set when `done`, and only where there were any that may pass. */
  trailers: Headers | undefined = undefined;
  /** Why the body is refused; then nothing more is decoded. */
  error: string | undefined = undefined;

  get done(): boolean {
    return this.#state === DONE;
  }

  /** Made new for the next message. */
  reset(): void {
    this.#state = SIZE;
    this.#digits = this.#remaining = this.#line = this.#extensions = this.#overhead = this.#payload = 0;
    this.#trailer = [];
    this.#trailerBytes = this.#lastByte = 0;
    this.#lineStart = true;
    this.#gatheredBytes = 0;
    this.trailers = undefined;
    this.error = undefined;
  }

  /**
   * Decodes from `pos`. Pieces are subarrays of `bytes`, not copies; but small chunks are gathered until the bytes end.
   * @returns the position behind the last byte taken; less than the length when done, failed, or told to stop
   */
  decode(bytes: Buffer, pos: number, sink: ChunkSink): number {
    let i = pos;
    while (i < bytes.length && this.error === undefined) {
      if (this.#state === DATA) {
        const end = Math.min(bytes.length, i + this.#remaining);
        const small = end - i < SMALL;
        if (this.#gatheredBytes > 0 && !(small && this.#fits(end - i))) {
          if (!this.#handOn(sink)) return i;
        }
        const start = i;
        this.#remaining -= end - i;
        this.#payload += end - i;
        i = end;
        if (this.#remaining === 0) this.#state = DATA_CR;
        if (small && (end < bytes.length || this.#gatheredBytes > 0)) this.#gather(bytes, start, end);
        else if (!sink.onChunk(bytes.subarray(start, end))) return i;
      } else if (this.#state === TRAILER) {
        if (this.#gatheredBytes > 0 && !this.#handOn(sink)) return i;
        i = this.#readTrailer(bytes, i);
        if (this.done) return i;
      } else {
        this.#framing(bytes[i++]!);
      }
    }
    if (this.#gatheredBytes > 0) this.#handOn(sink); // also what came before an error
    return i;
  }

  #fits(bytes: number): boolean {
    return this.#gatheredBytes + bytes <= GATHERED_BYTES;
  }

  #gather(bytes: Buffer, start: number, end: number): void {
    this.#gathered ??= Buffer.allocUnsafeSlow(GATHERED_BYTES);
    this.#gatheredBytes += bytes.copy(this.#gathered, this.#gatheredBytes, start, end);
  }

  /** @returns whether the sink wants more. The buffer goes with its bytes: nobody says when they are done with it. */
  #handOn(sink: ChunkSink): boolean {
    const gathered = this.#gathered!;
    const length = this.#gatheredBytes;
    this.#gathered = undefined;
    this.#gatheredBytes = 0;
    // A slice of a large buffer would keep all of it alive for a few bytes
    return sink.onChunk(
      length > GATHERED_BYTES / 2 ? gathered.subarray(0, length) : Buffer.from(gathered.subarray(0, length)),
    );
  }

  #framing(c: number): void {
    if (++this.#overhead > FREE_OVERHEAD + 12 * this.#payload) this.error = 'more chunk framing than payload';
    switch (this.#state) {
      case SIZE:
        return this.#size(c);
      case EXTENSION:
        if (c === 0x0d) this.#state = SIZE_LF;
        else if (VALUE[c] !== 1) this.error = 'forbidden byte in a chunk extension';
        else if (++this.#line > MAX_LINE || ++this.#extensions > MAX_EXTENSIONS)
          this.error = 'chunk extension too long';
        return;
      case EXTENSION_NAME:
        if (TOKEN[c]) this.#state = EXTENSION;
        else this.error = 'chunk extension without a name';
        return;
      case SIZE_LF:
        if (c !== 0x0a) this.error = 'chunk size line does not end with CRLF';
        else this.#sizeDone();
        return;
      case DATA_CR:
        if (c !== 0x0d) this.error = 'chunk data is not followed by CRLF';
        else this.#state = DATA_LF;
        return;
      case DATA_LF:
        if (c !== 0x0a) this.error = 'chunk data is not followed by CRLF';
        else this.#state = SIZE;
        return;
    }
  }

  #size(c: number): void {
    const digit = hexDigit(c);
    if (digit >= 0) {
      if (++this.#digits > 8) this.error = 'chunk size has more than 8 digits';
      this.#remaining = this.#remaining * 16 + digit;
      this.#line++;
    } else if (this.#digits === 0) this.error = 'chunk size is no number';
    else if (c === 0x0d) this.#state = SIZE_LF;
    else if (c === 0x3b) this.#state = EXTENSION_NAME;
    else this.error = 'forbidden byte in a chunk size';
  }

  #sizeDone(): void {
    this.#digits = 0;
    this.#line = 0;
    this.#state = this.#remaining === 0 ? TRAILER : DATA;
  }

  /** Collects up to the empty line; each byte is looked at once. */
  #readTrailer(bytes: Buffer, pos: number): number {
    let i = pos;
    while (i < bytes.length) {
      const c = bytes[i++]!;
      if (this.#lastByte === 0x0d) {
        if (c !== 0x0a) return this.#fail('bare CR in trailers', i);
        if (this.#lineStart) return this.#finish(bytes, pos, i);
        this.#lineStart = true;
      } else if (c === 0x0a) return this.#fail('bare LF in trailers', i);
      else if (c !== 0x0d) this.#lineStart = false;
      this.#lastByte = c;
      if (++this.#trailerBytes > MAX_TRAILER_BYTES) return this.#fail('trailers too long', i);
    }
    this.#trailer.push(Buffer.from(bytes.subarray(pos, i))); // the bytes are only lent
    return i;
  }

  #fail(error: string, i: number): number {
    this.error = error;
    return i;
  }

  #finish(bytes: Buffer, pos: number, end: number): number {
    this.#state = DONE;
    if (this.#trailerBytes <= 1) return end; // only the CR of the empty line: no trailers
    this.#trailer.push(bytes.subarray(pos, end));
    const text = Buffer.concat(this.#trailer).toString('latin1');
    this.#trailer = [];
    const fields = new FieldBlock();
    if (fields.read(text.slice(0, -2), 0, MAX_TRAILERS) !== undefined) return this.#fail('trailers are broken', end);
    this.trailers = keepTrailers(fields.headers);
    return end;
  }
}

function hexDigit(c: number): number {
  if (c >= 0x30 && c <= 0x39) return c - 0x30;
  const lower = c | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
