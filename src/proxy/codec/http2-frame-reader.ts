import type { Socket } from 'node:net';
import { HeldBytes } from './held-bytes.ts';
import * as h2 from './http2-frames.ts';
import { SocketReader } from './socket-reader.ts';

const EMPTY = Buffer.alloc(0);
/** Of these flags nearly every HEADERS frame has END_HEADERS alone. */
const ONE_PLAIN_BLOCK = h2.END_HEADERS | h2.PADDED | h2.WITH_PRIORITY;
/** CONTINUATION flood: so many frames or bytes for one header block (suites 3.2). */
const MAX_CONTINUATIONS = 8;
const MAX_BLOCK_BYTES = 64 * 1024;
/** SETTINGS of so many entries: there are seven that anybody knows. */
const MAX_SETTINGS = 32;
/** Opened in one go by one peer; then it is the turn of others. */
const STREAMS_PER_TURN = 100;
/**
 * Read in one go; then others come first too. Of DATA of one byte 6,500 frames come with one read of the socket, libuv reads a socket
 * up to 32 times in a turn, and each frame may become a chunk towards the app.
 */
const FRAMES_PER_TURN = 2_000;
/** DATA up to here is passed on together with what follows it: to move so few bytes costs less than to hand them on. */
const TINY_BYTES = 128;

/** For whom a DATA frame is that comes in parts. */
export interface DataReceiver {
  /** @param bytes what the windows count: the payload with its padding */
  receiveData(chunk: Buffer, bytes: number, end: boolean): void;
}

/** Gets the frames of a connection, as far as they can be right by themselves; the bytes are lent until it returns. */
export interface FrameHandler {
  /** Nothing is read any more. */
  readonly gone: boolean;
  /** Whether the peer has begun as RFC 9113 3.4 demands. */
  readonly peer: { readonly seen: boolean };
  /** The peer has broken the rules of the connection. */
  fail(code: number): void;
  /** @param bytes what the windows count: the payload with its padding */
  onData(id: number, chunk: Buffer, bytes: number, end: boolean): void;
  /** The header of a DATA frame without padding that has not come whole. @returns who gets its parts; undefined: nobody */
  onDataBegins(id: number, length: number): DataReceiver | undefined;
  /** A whole header block: `bytes` from `start` to `end`. @returns whether it has opened a stream */
  onHeaderBlock(id: number, bytes: Buffer, start: number, end: number, endStream: boolean): boolean;
  onReset(id: number, code: number): void;
  /** @param payload six bytes for each setting */
  onSettings(payload: Buffer): void;
  onSettingsAck(): void;
  onPing(payload: Buffer): void;
  onPong(): void;
  onGoaway(lastStream: number): void;
  onWindowUpdate(id: number, more: number): void;
  /** PRIORITY, or a type that nobody knows (RFC 9113 4.1): of no consequence, but it was sent. */
  onIgnored(): void;
}

/**
 * Cuts what comes from a socket into frames and judges each by itself: its size, its stream where the type needs one or must have
 * none, and its place (RFC 9113 3.4, 4, 6). Header blocks are put together here; what is held is at most the beginning of one frame.
 */
export class FrameReader {
  readonly #socket: Socket;
  readonly #handler: FrameHandler;
  readonly #held = new HeldBytes();
  #prefaceSeen: boolean;
  // A header block that goes on in CONTINUATION frames.
  #blockStream = 0;
  #blockFlags = 0;
  #block: Buffer[] = [];
  #blockBytes = 0;
  // A DATA frame of which a part has come: for whom (undefined: nobody), how much is still to come, and its flag.
  #dataOf: DataReceiver | undefined = undefined;
  #dataLeft = 0;
  #dataEnds = false;
  /** Streams that were opened in this turn. */
  #opened = 0;
  #yielding = false;

  /**
   * Takes the socket over and reads it until the handler is gone.
   * @param expectsPreface whether the peer is a client
   * @param firstBytes that were read before
   */
  constructor(socket: Socket, handler: FrameHandler, expectsPreface: boolean, firstBytes?: Buffer) {
    this.#socket = socket;
    this.#handler = handler;
    this.#prefaceSeen = !expectsPreface;
    if (firstBytes !== undefined) process.nextTick(() => this.#onBytes(firstBytes));
    new SocketReader(socket, this.#onBytes);
    socket.resume();
  }

  /** Lets go of what is held: the connection is over. */
  drop(): void {
    this.#held.clear();
    this.#dataOf = undefined;
  }

  readonly #onBytes = (bytes: Buffer): void => {
    if (this.#handler.gone) return;
    if (bytes.length > 0) this.#held.add(bytes);
    if (!this.#yielding) this.#held.drop(this.#take(this.#held.bytes));
    this.#held.keep();
  };

  /** Reads frames. @returns how many of the bytes were taken; what is left begins a frame that has not come whole */
  #take(bytes: Buffer): number {
    const handler = this.#handler;
    let at = 0;
    if (!this.#prefaceSeen) {
      at = this.#preface(bytes);
      if (at === 0) return 0;
    }
    this.#opened = 0;
    let frames = 0;
    while (!handler.gone && at < bytes.length) {
      if (this.#dataLeft > 0) {
        const end = Math.min(bytes.length, at + this.#dataLeft);
        this.#dataPart(bytes.subarray(at, end));
        at = end;
        continue;
      }
      if (bytes.length - at < h2.FRAME_HEADER_BYTES) break;
      const length = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
      if (length > h2.MAX_FRAME_BYTES) {
        handler.fail(h2.FRAME_SIZE_ERROR);
        break;
      }
      const type = bytes[at + 3]!;
      const flags = bytes[at + 4]!;
      const id = ((bytes[at + 5]! & 0x7f) << 24) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 8) | bytes[at + 8]!;
      const start = at + h2.FRAME_HEADER_BYTES;
      const whole = bytes.length - start >= length;
      if (!whole && (type !== h2.DATA || (flags & h2.PADDED) !== 0)) break;
      at = whole ? start + length : start;
      if (!whole) this.#dataBegins(flags, id, length);
      else if (type === h2.HEADERS && (flags & ONE_PLAIN_BLOCK) === h2.END_HEADERS)
        this.#wholeBlock(flags, id, bytes, start, at);
      else if (type === h2.DATA && flags === 0 && length <= TINY_BYTES) at = this.#tinyData(id, bytes, start, at);
      else this.#frame(type, flags, id, bytes.subarray(start, at));
      if (this.#opened >= STREAMS_PER_TURN || ++frames >= FRAMES_PER_TURN) {
        this.#yield();
        break;
      }
    }
    return at;
  }

  /** @returns its length; 0: it has not come whole, or is none */
  #preface(bytes: Buffer): number {
    const n = Math.min(bytes.length, h2.PREFACE.length);
    if (bytes.compare(h2.PREFACE, 0, n, 0, n) !== 0) this.#handler.fail(h2.PROTOCOL_ERROR);
    if (this.#handler.gone || n < h2.PREFACE.length) return 0;
    this.#prefaceSeen = true;
    return n;
  }

  /** Lets others have their turn before more is taken from a peer that opens many streams at once, or sends tiny frames. */
  #yield(): void {
    this.#yielding = true;
    this.#socket.pause();
    setImmediate(() => {
      this.#yielding = false;
      this.#onBytes(EMPTY);
      // Not before: a resume() that a pause() follows reads all the same, and more would come than is taken
      if (!this.#yielding && !this.#handler.gone) this.#socket.resume();
    });
  }

  #frame(type: number, flags: number, id: number, payload: Buffer): void {
    const handler = this.#handler;
    if (!this.#isInOrder(type, id)) return handler.fail(h2.PROTOCOL_ERROR);
    switch (type) {
      case h2.DATA: {
        const chunk = (flags & h2.PADDED) === 0 ? payload : unpad(payload);
        if (id === 0 || chunk === undefined) return handler.fail(h2.PROTOCOL_ERROR);
        return handler.onData(id, chunk, payload.length, (flags & h2.END_STREAM) !== 0);
      }
      case h2.HEADERS:
        return this.#headers(flags, id, payload);
      case h2.PRIORITY:
        if (id === 0) return handler.fail(h2.PROTOCOL_ERROR);
        if (payload.length !== 5) return handler.fail(h2.FRAME_SIZE_ERROR);
        if (dependency(payload) === id) return handler.fail(h2.PROTOCOL_ERROR);
        return handler.onIgnored();
      case h2.RST_STREAM:
        if (payload.length !== 4) return handler.fail(h2.FRAME_SIZE_ERROR);
        if (id === 0) return handler.fail(h2.PROTOCOL_ERROR);
        return handler.onReset(id, payload.readUInt32BE(0));
      case h2.SETTINGS:
        return this.#settings(flags, id, payload);
      case h2.PUSH_PROMISE:
        return handler.fail(h2.PROTOCOL_ERROR);
      case h2.PING:
        if (id !== 0) return handler.fail(h2.PROTOCOL_ERROR);
        if (payload.length !== 8) return handler.fail(h2.FRAME_SIZE_ERROR);
        return (flags & h2.ACK) !== 0 ? handler.onPong() : handler.onPing(payload);
      case h2.GOAWAY:
        if (id !== 0) return handler.fail(h2.PROTOCOL_ERROR);
        if (payload.length < 8) return handler.fail(h2.FRAME_SIZE_ERROR);
        return handler.onGoaway(payload.readUInt32BE(0) & h2.MAX_WINDOW);
      case h2.WINDOW_UPDATE:
        if (payload.length !== 4) return handler.fail(h2.FRAME_SIZE_ERROR);
        return handler.onWindowUpdate(id, payload.readUInt32BE(0) & h2.MAX_WINDOW);
      case h2.CONTINUATION:
        if (id === 0 || this.#blockStream === 0) return handler.fail(h2.PROTOCOL_ERROR);
        return this.#blockPart(flags, payload);
      default:
        return handler.onIgnored();
    }
  }

  /** The peer begins with SETTINGS, and nothing comes between the parts of a header block. */
  #isInOrder(type: number, id: number): boolean {
    if (this.#blockStream !== 0 && (type !== h2.CONTINUATION || id !== this.#blockStream)) return false;
    return this.#handler.peer.seen || type === h2.SETTINGS;
  }

  #settings(flags: number, id: number, payload: Buffer): void {
    const handler = this.#handler;
    if (id !== 0) return handler.fail(h2.PROTOCOL_ERROR);
    if ((flags & h2.ACK) !== 0) {
      return payload.length === 0 ? handler.onSettingsAck() : handler.fail(h2.FRAME_SIZE_ERROR);
    }
    if (payload.length % 6 !== 0) return handler.fail(h2.FRAME_SIZE_ERROR);
    if (payload.length > 6 * MAX_SETTINGS) return handler.fail(h2.ENHANCE_YOUR_CALM);
    handler.onSettings(payload);
  }

  // ---- DATA

  /**
   * Passes on one small DATA frame, and those of the same stream right behind it, as one: their payloads are moved together in the
   * memory that they came in. Whoever sends many would else make us, and the app behind us, handle each.
   * @param start of the first one's payload, which ends at `end`
   * @returns where the last one ends
   */
  #tinyData(id: number, bytes: Buffer, start: number, end: number): number {
    let to = end;
    let at = end;
    for (;;) {
      const length = plainDataAt(bytes, at, id);
      const from = at + h2.FRAME_HEADER_BYTES;
      if (length === 0 || length > TINY_BYTES || from + length > bytes.length) break;
      at = from + length;
      for (let i = from; i < at; i++) bytes[to++] = bytes[i]!;
    }
    this.#frame(h2.DATA, 0, id, bytes.subarray(start, to));
    return at;
  }

  /** DATA without padding that has not come whole: what there is passes at once, so that nothing is kept and nothing copied together. */
  #dataBegins(flags: number, id: number, length: number): void {
    if (id === 0 || !this.#isInOrder(h2.DATA, id)) return this.#handler.fail(h2.PROTOCOL_ERROR);
    this.#dataOf = this.#handler.onDataBegins(id, length);
    this.#dataLeft = length;
    this.#dataEnds = (flags & h2.END_STREAM) !== 0;
  }

  #dataPart(part: Buffer): void {
    this.#dataLeft -= part.length;
    const receiver = this.#dataOf;
    if (this.#dataLeft === 0) this.#dataOf = undefined;
    receiver?.receiveData(part, part.length, this.#dataLeft === 0 && this.#dataEnds);
  }

  // ---- header blocks

  /** HEADERS with everything in one frame and nothing around it. The same rules as in `#frame`. */
  #wholeBlock(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    const handler = this.#handler;
    if (this.#blockStream !== 0 || !handler.peer.seen || (id & 1) === 0) return handler.fail(h2.PROTOCOL_ERROR);
    if (handler.onHeaderBlock(id, bytes, start, end, (flags & h2.END_STREAM) !== 0)) this.#opened++;
  }

  #headers(flags: number, id: number, payload: Buffer): void {
    if ((id & 1) === 0) return this.#handler.fail(h2.PROTOCOL_ERROR);
    const block = (flags & h2.PADDED) === 0 ? payload : unpad(payload);
    const skip = (flags & h2.WITH_PRIORITY) === 0 ? 0 : 5;
    if (block === undefined || block.length < skip) return this.#handler.fail(h2.PROTOCOL_ERROR);
    // Before the block is decoded: a stream error would leave the peer's table and ours apart.
    if (skip > 0 && dependency(block) === id) return this.#handler.fail(h2.PROTOCOL_ERROR);
    this.#blockStream = id;
    this.#blockFlags = flags;
    this.#blockPart(flags, skip === 0 ? block : block.subarray(skip));
  }

  #blockPart(flags: number, part: Buffer): void {
    this.#block.push((flags & h2.END_HEADERS) === 0 ? Buffer.from(part) : part); // the bytes are only lent
    this.#blockBytes += part.length;
    if ((flags & h2.END_HEADERS) === 0) {
      const flood = this.#block.length > MAX_CONTINUATIONS || this.#blockBytes > MAX_BLOCK_BYTES;
      if (flood) this.#handler.fail(h2.ENHANCE_YOUR_CALM);
      return;
    }
    const block = this.#block.length === 1 ? this.#block[0]! : Buffer.concat(this.#block);
    const id = this.#blockStream;
    const endStream = (this.#blockFlags & h2.END_STREAM) !== 0;
    this.#block = [];
    this.#blockStream = this.#blockBytes = 0;
    if (this.#handler.onHeaderBlock(id, block, 0, block.length, endStream)) this.#opened++;
  }
}

/** The length of the frame whose header is there, if it is DATA of this stream without any flag; else 0. */
function plainDataAt(bytes: Buffer, at: number, id: number): number {
  if (at + h2.FRAME_HEADER_BYTES > bytes.length || bytes[at + 3] !== h2.DATA || bytes[at + 4] !== 0) return 0;
  return bytes.readUInt32BE(at + 5) === id ? bytes.readUIntBE(at, 3) : 0;
}

/** The stream that priority fields depend on; RFC 7540 5.3.1 forbids the stream itself, RFC 9113 ignores what they say. */
function dependency(priority: Buffer): number {
  return priority.readUInt32BE(0) & h2.MAX_WINDOW;
}

/** A payload without its padding (RFC 9113 6.1); undefined when the padding is longer than the payload. */
function unpad(payload: Buffer): Buffer | undefined {
  const padding = payload[0];
  if (padding === undefined || padding >= payload.length) return undefined;
  return payload.subarray(1, payload.length - padding);
}
