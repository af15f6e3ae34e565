import type { Socket } from 'node:net';
import {
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  FRAME_HEADER_BYTES,
  HEADERS,
  MAX_FRAME_BYTES,
  RST_STREAM,
  writeFrameHeader,
} from './http2-frames.ts';
import { OutBuffer } from './out-buffer.ts';

const EMPTY = Buffer.alloc(0);

/**
 * What one HTTP/2 connection writes in a turn: frame headers and payloads one behind the other. There is no object per frame, and mostly one
 * write of one piece per turn.
 */
export class FrameBuffer extends OutBuffer {
  // The last frame that may still get END_STREAM.
  #lastStream = 0;
  #flagsOf: Buffer = EMPTY;
  #flagsAt = 0;
  /** The stream whose DATA was written last, and how much of it is in that frame. */
  #dataOf = 0;
  #dataBytes = 0;

  constructor(socket: Socket, onRoom: () => void) {
    super(socket, onRoom, true);
  }

  /** The header of HEADERS or DATA, whose payload is pushed next; END_STREAM may be put on it until it leaves. */
  frame(type: number, flags: number, stream: number, length: number): void {
    this.header(type, flags, stream, length);
    this.#lastStream = stream;
    this.#flagsOf = this.chunk;
    this.#flagsAt = this.to - FRAME_HEADER_BYTES + 4;
  }

  /** A header block, `more` behind it: HEADERS, with CONTINUATION where it is larger than a frame may be. */
  headers(stream: number, block: Buffer, end: boolean, more: Buffer = EMPTY): void {
    const whole = block.length + more.length;
    const flags = end ? END_STREAM : 0;
    if (whole > MAX_FRAME_BYTES) return this.#longHeaders(stream, Buffer.concat([block, more]), flags);
    this.frame(HEADERS, flags | END_HEADERS, stream, whole);
    this.push(block);
    if (more.length > 0) this.push(more);
  }

  #longHeaders(stream: number, block: Buffer, flags: number): void {
    this.frame(HEADERS, flags, stream, MAX_FRAME_BYTES);
    this.push(block.subarray(0, MAX_FRAME_BYTES));
    for (let at = MAX_FRAME_BYTES; at < block.length; at += MAX_FRAME_BYTES) {
      const part = block.subarray(at, at + MAX_FRAME_BYTES);
      this.header(CONTINUATION, at + part.length === block.length ? END_HEADERS : 0, stream, part.length);
      this.push(part);
    }
  }

  /**
   * DATA with its payload. Pieces that follow each other within a turn share a frame of at most `maxBytes`: of one-byte
   * pieces each would cost its receiver as much as a large one.
   */
  data(stream: number, piece: Buffer, maxBytes: number): void {
    if (this.#dataOf === stream && this.#dataBytes + piece.length <= maxBytes) {
      this.#dataBytes += piece.length;
      this.#flagsOf.writeUIntBE(this.#dataBytes, this.#flagsAt - 4, 3);
    } else {
      this.frame(DATA, 0, stream, piece.length);
      this.#dataBytes = piece.length;
    }
    this.push(piece);
    this.#dataOf = stream;
  }

  /** The header of any other frame. */
  header(type: number, flags: number, stream: number, length: number): void {
    this.#dataOf = 0;
    this.room(FRAME_HEADER_BYTES);
    writeFrameHeader(this.chunk, this.to, type, flags, stream, length);
    this.to += FRAME_HEADER_BYTES;
    this.grew(FRAME_HEADER_BYTES);
  }

  /** A frame that is there already, with its header. */
  whole(frame: Buffer): void {
    this.#dataOf = 0;
    this.push(frame);
  }

  /** A frame whose payload is 32-bit numbers: RST_STREAM, WINDOW_UPDATE, GOAWAY without debug data. */
  numbers(type: number, stream: number, first: number, second?: number): void {
    const bytes = second === undefined ? 4 : 8;
    this.header(type, 0, stream, bytes);
    if (type === RST_STREAM) this.#lastStream = 0; // nothing ends any more that was reset
    this.room(bytes);
    this.to = this.chunk.writeUInt32BE(first, this.to);
    if (second !== undefined) this.to = this.chunk.writeUInt32BE(second, this.to);
    this.grew(bytes);
  }

  /**
   * Puts END_STREAM on the last frame, if it is one of `stream` that has not left.
   * @param headToo also on HEADERS; otherwise on DATA only
   * @returns whether it did
   */
  endLast(stream: number, headToo: boolean): boolean {
    if (this.#lastStream !== stream) return false;
    if (!headToo && this.#flagsOf[this.#flagsAt - 1] !== DATA) return false;
    this.#flagsOf[this.#flagsAt]! |= END_STREAM;
    this.#dataOf = 0;
    return true;
  }

  override flush(): void {
    super.flush();
    this.#lastStream = this.#dataOf = 0;
    this.#flagsOf = EMPTY; // others may write there now
  }

  override drop(): void {
    super.drop();
    this.#lastStream = this.#dataOf = 0;
  }
}
