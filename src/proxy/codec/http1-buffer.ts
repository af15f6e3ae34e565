import { OutBuffer } from './out-buffer.ts';

/** A chunk of the chunked coding up to here joins the one before it, up to there. */
const SMALL_CHUNK = 128;
const JOINED_CHUNKS = 4 * 1024;
const [CR, LF] = [0x0d, 0x0a];

/** What one HTTP/1 connection writes in a turn: heads, and bodies with their framing, one behind the other. */
export class Http1Buffer extends OutBuffer {
  // The chunk of the chunked coding that others may join: where its size stands, in how many digits, and where it ends.
  #chunkIn: Buffer | undefined = undefined;
  #chunkAt = 0;
  #chunkDigits = 0;
  #chunkBytes = 0;
  #chunkEnd = 0;

  /**
   * A piece of a body as a chunk (RFC 9112 7.1). Small ones that come in one turn are one chunk: whoever sends byte by byte would
   * else make the app behind us handle each.
   */
  pushChunk(piece: Buffer): void {
    const { length } = piece;
    if (length <= SMALL_CHUNK && this.#joinsChunk(piece)) return;
    const size = length.toString(16);
    this.push(`${size}\r\n`);
    const at = this.to - size.length - 2;
    const { chunk } = this;
    this.push(piece);
    this.push('\r\n');
    if (length > SMALL_CHUNK || this.chunk !== chunk) return;
    this.#chunkIn = chunk;
    this.#chunkAt = at;
    this.#chunkDigits = size.length;
    this.#chunkBytes = length;
    this.#chunkEnd = this.to;
  }

  #joinsChunk(piece: Buffer): boolean {
    const { chunk, to } = this;
    const at = this.#chunkAt;
    const bytes = this.#chunkBytes + piece.length;
    if (this.#chunkIn !== chunk || to !== this.#chunkEnd || bytes > JOINED_CHUNKS) return false;
    const size = bytes.toString(16);
    const more = size.length - this.#chunkDigits;
    if (chunk.length - to < piece.length + more) return false;
    if (more > 0) chunk.copyWithin(at + size.length, at + this.#chunkDigits, to);
    chunk.write(size, at, 'latin1');
    let end = to + more - 2;
    for (let i = 0; i < piece.length; i++) chunk[end++] = piece[i]!;
    chunk[end++] = CR;
    chunk[end++] = LF;
    this.#chunkDigits = size.length;
    this.#chunkBytes = bytes;
    this.to = this.#chunkEnd = end;
    this.grew(piece.length + more);
    return true;
  }

  override flush(): void {
    super.flush();
    this.#chunkIn = undefined; // it is on its way
  }

  override drop(): void {
    super.drop();
    this.#chunkIn = undefined;
  }
}
