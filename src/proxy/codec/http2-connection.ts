import type { Socket } from 'node:net';
import { FrameBuffer } from './frame-buffer.ts';
import { HpackDecoder, type HpackError, type HpackLimits } from './hpack-decoder.ts';
import { HpackEncoder } from './hpack-encoder.ts';
import * as h2 from './http2-frames.ts';
import { Http2HeadWriter } from './http2-head-writer.ts';
import type { Section } from './http2-section.ts';
import type { Http2Settings } from './http2-settings.ts';
import type { Http2Stream } from './http2-stream.ts';
import { SocketReader } from './socket-reader.ts';
import { StreamTable } from './stream-table.ts';
import type { CodecLimits, Headers, RequestHead, ResponseHead } from './stream.ts';
import type { TimerWheel, WheelTimer } from './timer-wheel.ts';
import { keepTrailers } from './trailers.ts';

const EMPTY = Buffer.alloc(0);
/** Of these flags nearly every HEADERS frame has END_HEADERS alone. */
const ONE_PLAIN_BLOCK = h2.END_HEADERS | h2.PADDED | h2.WITH_PRIORITY;
const PING_PAYLOAD = Buffer.alloc(8);
/** CONTINUATION flood: so many frames or bytes for one header block (suites 3.2). */
const MAX_CONTINUATIONS = 8;
const MAX_BLOCK_BYTES = 64 * 1024;
/** Opened in one go by one peer; then it is the turn of others. */
const STREAMS_PER_TURN = 100;
/**
 * Read in one go; then others come first too. Of DATA of one byte 6,500 frames come with one read of the socket, libuv reads a socket
 * up to 32 times in a turn, and each frame may become a chunk towards the app.
 */
const FRAMES_PER_TURN = 2_000;
/** DATA up to here is passed on together with what follows it: to move so few bytes costs less than to hand them on. */
const TINY_BYTES = 128;
/** Looks during which nothing may move before a peer counts as stalled; the first may come at once. */
const STALLED_LOOKS = 3;
/** Streams we have reset lately; what the peer had sent before it knew is no offence. */
const REMEMBERED_RESETS = 512;

/** What distinguishes the two ends of a connection. */
export interface Http2Role {
  readonly server: boolean;
  /** A HEADERS block for a stream that is not open; undefined: its list was cut at the limit. */
  onNewStream(id: number, section: Section | undefined, end: boolean): void;
  /** A HEADERS block for a stream that is open. @returns false when it breaks the protocol */
  onHead(stream: Http2Stream, section: Section, end: boolean): boolean;
  /** Whether the next HEADERS block of the stream is its trailers. */
  expectsTrailers(stream: Http2Stream): boolean;
  onPeerSettings(): void;
  onGoaway(lastStream: number): void;
  /** The peer has answered `sendPing`: it has heard everything that was sent before. */
  onPong(): void;
  /** A stream takes no more room. */
  onForgotten(stream: Http2Stream): void;
  /** The connection is of no more use; its streams have been told. */
  onGone(): void;
}

/** The frame machine of one HTTP/2 connection (RFC 9113): frames in and out, header blocks, windows, settings, floods. */
export class Http2Connection {
  readonly streams = new StreamTable<Http2Stream>();
  sendWindow = h2.DEFAULT_WINDOW;
  peerInitialWindow = h2.DEFAULT_WINDOW;
  peerMaxStreams = Infinity;
  peerExtendedConnect = false;
  peerSettingsSeen = false;
  gone = false;
  /** Highest stream of the peer that we have looked at. */
  lastPeerStream = 0;

  readonly #socket: Socket;
  readonly #role: Http2Role;
  readonly #limits: CodecLimits;
  readonly settings: Http2Settings;
  readonly #out: FrameBuffer;
  readonly #highWater: number;
  readonly #encoder = new HpackEncoder();
  readonly #heads = new Http2HeadWriter(this.#encoder);
  readonly #decoder = new HpackDecoder();
  readonly #listLimits: HpackLimits;
  /** In the order of their turns; no Set, for the reason of `StreamTable`. */
  readonly #blocked: Http2Stream[] = [];
  readonly #stall: WheelTimer;
  /** Looks since the socket took anything, while it takes no more. */
  #stuckLooks = 0;
  readonly #resets = new Set<number>();
  /** Up to here a reset of ours may be forgotten. */
  #forgottenReset = 0;
  #held: Buffer = EMPTY;
  #prefaceSeen: boolean;
  #receiveWindow: number;
  #unreturned = 0;
  #peerMaxFrame = h2.MAX_FRAME_BYTES;
  // A header block that goes on in CONTINUATION frames.
  #blockStream = 0;
  #blockFlags = 0;
  #block: Buffer[] = [];
  #blockBytes = 0;
  // A DATA frame of which a part has come: for whom (undefined: nobody), how much is still to come, and its flag.
  #dataOf: Http2Stream | undefined = undefined;
  #dataLeft = 0;
  #dataEnds = false;
  #nuisance = 0;
  #nuisanceSince = 0;
  #opened = 0;
  #yielding = false;
  /** What streams may get of the connection's window beyond their first one. */
  #lendable: number;
  /** Bytes heard after which the connection's window is opened again. */
  readonly #creditAt: number;

  constructor(
    socket: Socket,
    role: Http2Role,
    limits: CodecLimits,
    timers: TimerWheel,
    settings: Http2Settings,
    firstBytes: Buffer = EMPTY,
  ) {
    this.#socket = socket;
    this.#role = role;
    this.#limits = limits;
    this.settings = settings;
    const maxFields = limits.maxHeaders + 6; // and the pseudo-fields
    this.#listLimits = { maxFields, maxListBytes: limits.maxHeadBytes + 32 * maxFields };
    this.#out = new FrameBuffer(socket, () => this.#pumpAll());
    this.#highWater = Math.max(limits.highWaterBytes, socket.writableHighWaterMark);
    this.#prefaceSeen = !role.server;
    this.#receiveWindow = settings.connectionWindowBytes;
    const { connectionWindowBytes, maxConcurrentStreams, initialWindowBytes } = settings;
    this.#creditAt = connectionWindowBytes / 16;
    this.#lendable = connectionWindowBytes - this.#creditAt - maxConcurrentStreams * initialWindowBytes;
    this.#stall = timers.timer(() => this.#lookForStalled());
    this.#stall.set(limits.stallTimeoutMs / 2);
    socket.allowHalfOpen = true;
    socket.on('drain', () => (this.#stuckLooks = 0));
    socket.on('end', () => this.lose(h2.NO_ERROR, 'the peer has ended the connection'));
    socket.on('error', (error) => this.lose(h2.NO_ERROR, error));
    socket.on('close', () => this.lose(h2.NO_ERROR, 'the connection is closed'));
    this.#greet();
    if (firstBytes.length > 0) process.nextTick(() => this.#onData(firstBytes));
    new SocketReader(socket, this.#onData);
    socket.resume();
  }

  #greet(): void {
    if (!this.#role.server) this.#out.push(h2.PREFACE);
    const settings = [h2.SETTINGS_INITIAL_WINDOW_SIZE, this.settings.initialWindowBytes];
    // RFC 9113 6.5.2 counts 32 per field
    settings.push(h2.SETTINGS_MAX_HEADER_LIST_SIZE, this.#limits.maxHeadBytes + 32 * this.#limits.maxHeaders);
    if (this.#role.server) {
      settings.push(h2.SETTINGS_MAX_CONCURRENT_STREAMS, this.settings.maxConcurrentStreams);
      settings.push(h2.SETTINGS_ENABLE_CONNECT_PROTOCOL, 1);
    } else settings.push(h2.SETTINGS_ENABLE_PUSH, 0);
    this.#out.push(h2.settingsFrame(settings));
    const more = this.settings.connectionWindowBytes - h2.DEFAULT_WINDOW;
    if (more > 0) this.sendWindowUpdate(0, more);
  }

  // ---- reading

  readonly #onData = (bytes: Buffer): void => {
    if (this.gone) return;
    const lent = this.#held.length === 0;
    const held = lent ? bytes : bytes === EMPTY ? this.#held : Buffer.concat([this.#held, bytes]);
    const taken = this.#yielding ? 0 : this.#take(held);
    if (this.gone) return;
    const rest = taken === held.length ? EMPTY : held.subarray(taken);
    this.#held = lent && rest !== EMPTY ? Buffer.from(rest) : rest;
  };

  /** Reads frames. @returns how many of the bytes were taken; what is left begins a frame that has not come whole */
  #take(bytes: Buffer): number {
    let at = 0;
    if (!this.#prefaceSeen) {
      const n = Math.min(bytes.length, h2.PREFACE.length);
      if (bytes.compare(h2.PREFACE, 0, n, 0, n) !== 0) this.fail(h2.PROTOCOL_ERROR);
      if (this.gone || n < h2.PREFACE.length) return 0;
      this.#prefaceSeen = true;
      at = n;
    }
    this.#opened = 0;
    let frames = 0;
    while (!this.gone && at < bytes.length) {
      if (this.#dataLeft > 0) {
        const end = Math.min(bytes.length, at + this.#dataLeft);
        this.#dataPart(bytes.subarray(at, end));
        at = end;
        continue;
      }
      if (bytes.length - at < h2.FRAME_HEADER_BYTES) break;
      const length = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
      if (length > h2.MAX_FRAME_BYTES) {
        this.fail(h2.FRAME_SIZE_ERROR);
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

  /** Lets others have their turn before more is taken from a peer that opens many streams at once, or sends tiny frames. */
  #yield(): void {
    this.#yielding = true;
    this.#socket.pause();
    setImmediate(() => {
      this.#yielding = false;
      this.#onData(EMPTY);
      // Not before: a resume() that a pause() follows reads all the same, and more would come than is taken
      if (!this.#yielding && !this.gone) this.#socket.resume();
    });
  }

  #frame(type: number, flags: number, id: number, payload: Buffer): void {
    if (!this.#isInOrder(type, id)) return this.fail(h2.PROTOCOL_ERROR);
    switch (type) {
      case h2.DATA:
        return this.#data(flags, id, payload);
      case h2.HEADERS:
        return this.#headers(flags, id, payload);
      case h2.PRIORITY:
        if (id === 0) return this.fail(h2.PROTOCOL_ERROR);
        if (payload.length !== 5) return this.fail(h2.FRAME_SIZE_ERROR);
        if (dependency(payload) === id) return this.fail(h2.PROTOCOL_ERROR);
        return this.#nuisanceSeen();
      case h2.RST_STREAM:
        return this.#reset(id, payload);
      case h2.SETTINGS:
        return this.#settingsReceived(flags, id, payload);
      case h2.PUSH_PROMISE:
        return this.fail(h2.PROTOCOL_ERROR);
      case h2.PING:
        return this.#ping(flags, id, payload);
      case h2.GOAWAY:
        if (id !== 0) return this.fail(h2.PROTOCOL_ERROR);
        if (payload.length < 8) return this.fail(h2.FRAME_SIZE_ERROR);
        return this.#role.onGoaway(payload.readUInt32BE(0) & h2.MAX_WINDOW);
      case h2.WINDOW_UPDATE:
        return this.#windowUpdate(id, payload);
      case h2.CONTINUATION:
        if (id === 0 || this.#blockStream === 0) return this.fail(h2.PROTOCOL_ERROR);
        return this.#blockPart(flags, payload);
      default:
        return this.#nuisanceSeen(); // RFC 9113 4.1: unknown types are ignored
    }
  }

  /** Whether a stream that we do not know was never opened: then any frame but HEADERS is an offence (RFC 9113 5.1). */
  #isIdle(id: number): boolean {
    const ours = (id & 1) === (this.#role.server ? 0 : 1);
    return ours ? id > this.lastOwnStream : id > this.lastPeerStream;
  }
  lastOwnStream = 0;

  /** The peer begins with SETTINGS, and nothing comes between the parts of a header block. */
  #isInOrder(type: number, id: number): boolean {
    if (this.#blockStream !== 0 && (type !== h2.CONTINUATION || id !== this.#blockStream)) return false;
    return this.peerSettingsSeen || type === h2.SETTINGS;
  }

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

  #data(flags: number, id: number, payload: Buffer): void {
    const chunk = (flags & h2.PADDED) === 0 ? payload : unpad(payload, 0);
    if (chunk === undefined) return this.fail(h2.PROTOCOL_ERROR);
    const stream = this.#dataFor(id, payload.length);
    if (stream === undefined) return;
    const end = (flags & h2.END_STREAM) !== 0;
    if (chunk.length === 0 && !end) this.#nuisanceSeen();
    if (!this.gone) stream.receiveData(chunk, payload.length, end);
  }

  /** DATA without padding that has not come whole: what there is passes at once, so that nothing is kept and nothing copied together. */
  #dataBegins(flags: number, id: number, length: number): void {
    if (!this.#isInOrder(h2.DATA, id)) return this.fail(h2.PROTOCOL_ERROR);
    this.#dataOf = this.#dataFor(id, length);
    this.#dataLeft = length;
    this.#dataEnds = (flags & h2.END_STREAM) !== 0;
  }

  #dataPart(part: Buffer): void {
    this.#dataLeft -= part.length;
    const stream = this.#dataOf;
    if (this.#dataLeft === 0) this.#dataOf = undefined;
    stream?.receiveData(part, part.length, this.#dataLeft === 0 && this.#dataEnds);
  }

  /** Judges a DATA frame by its header, and counts it. @returns whom its payload is for; undefined: nobody, and all has been said */
  #dataFor(id: number, length: number): Http2Stream | undefined {
    if (id === 0 || this.#isIdle(id)) return void this.fail(h2.PROTOCOL_ERROR);
    this.#receiveWindow -= length;
    if (this.#receiveWindow < 0) return void this.fail(h2.FLOW_CONTROL_ERROR);
    const stream = this.streams.get(id);
    if (stream === undefined || stream.inEnded) {
      this.credit(length);
      if (length < 1024) this.#nuisanceSeen(); // full frames cost the peer as much as us
      return this.gone ? undefined : void this.#late(id, stream);
    }
    stream.receiveWindow -= length;
    if (stream.receiveWindow >= 0) return stream;
    this.credit(length);
    return void this.streamError(stream, h2.FLOW_CONTROL_ERROR);
  }

  /** DATA behind END_STREAM. While our direction is open it is an error of the stream, then of the connection (RFC 9113 5.1). */
  #late(id: number, stream?: Http2Stream): void {
    if (stream !== undefined) this.streamError(stream, h2.STREAM_CLOSED);
    else if (!this.#hasReset(id)) this.fail(h2.STREAM_CLOSED);
  }

  /** A header block likewise; or one that opens a stream in the wrong order (RFC 9113 5.1.1). */
  #lateHead(id: number): void {
    if (this.#role.server && id < this.lastPeerStream && !this.#hasReset(id)) return this.fail(h2.PROTOCOL_ERROR);
    this.#late(id);
  }

  #hasReset(id: number): boolean {
    return this.#resets.has(id) || id <= this.#forgottenReset;
  }

  /** HEADERS with everything in one frame and nothing around it. The same rules as in `#frame`. */
  #wholeBlock(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (this.#blockStream !== 0 || !this.peerSettingsSeen || (id & 1) === 0) return this.fail(h2.PROTOCOL_ERROR);
    this.#decoded(id, this.#decoder.section(bytes, start, end, this.#listLimits), (flags & h2.END_STREAM) !== 0);
  }

  #decoded(id: number, result: Section | HpackError, end: boolean): void {
    if (result === 'broken') return this.fail(h2.COMPRESSION_ERROR);
    this.#section(id, result === 'too large' ? undefined : result, end);
  }

  #headers(flags: number, id: number, payload: Buffer): void {
    if (id === 0 || (id & 1) === 0) return this.fail(h2.PROTOCOL_ERROR);
    const block = (flags & h2.PADDED) === 0 ? payload : unpad(payload, 0);
    const skip = (flags & h2.WITH_PRIORITY) === 0 ? 0 : 5;
    if (block === undefined || block.length < skip) return this.fail(h2.PROTOCOL_ERROR);
    // Before the block is decoded: a stream error would leave the peer's table and ours apart.
    if (skip > 0 && dependency(block) === id) return this.fail(h2.PROTOCOL_ERROR);
    this.#blockStream = id;
    this.#blockFlags = flags;
    this.#blockPart(flags, skip === 0 ? block : block.subarray(skip));
  }

  #blockPart(flags: number, part: Buffer): void {
    this.#block.push((flags & h2.END_HEADERS) === 0 ? Buffer.from(part) : part); // the bytes are only lent
    this.#blockBytes += part.length;
    if ((flags & h2.END_HEADERS) === 0) {
      const flood = this.#block.length > MAX_CONTINUATIONS || this.#blockBytes > MAX_BLOCK_BYTES;
      if (flood) this.fail(h2.ENHANCE_YOUR_CALM);
      return;
    }
    const block = this.#block.length === 1 ? this.#block[0]! : Buffer.concat(this.#block);
    const id = this.#blockStream;
    this.#block = [];
    this.#blockStream = this.#blockBytes = 0;
    const section = this.#decoder.section(block, 0, block.length, this.#listLimits);
    this.#decoded(id, section, (this.#blockFlags & h2.END_STREAM) !== 0);
  }

  /** @param section undefined when its list was cut at the limit */
  #section(id: number, section: Section | undefined, end: boolean): void {
    const stream = this.streams.get(id);
    if (stream === undefined) {
      if (!this.#role.server || id <= this.lastPeerStream) {
        if (this.#isIdle(id)) return this.fail(h2.PROTOCOL_ERROR);
        return this.#lateHead(id);
      }
      this.lastPeerStream = id;
      this.#opened++;
      if (section?.is('request') === false) return this.#refuseId(id, h2.PROTOCOL_ERROR);
      return this.#role.onNewStream(id, section, end);
    }
    if (stream.inEnded) return this.#late(id, stream);
    if (section === undefined) return this.streamError(stream, h2.ENHANCE_YOUR_CALM);
    if (this.#role.expectsTrailers(stream)) {
      if (!end || !section.is('trailers')) return this.streamError(stream, h2.PROTOCOL_ERROR);
      return stream.receiveEnd(trailersOf(section));
    }
    if (!section.is('response') || !this.#role.onHead(stream, section, end)) {
      return this.streamError(stream, h2.PROTOCOL_ERROR);
    }
    if (end && this.streams.get(id) === stream) stream.receiveEnd(undefined);
  }

  #refuseId(id: number, code: number): void {
    this.sendReset(id, code);
    this.#nuisanceSeen();
  }

  #reset(id: number, payload: Buffer): void {
    if (payload.length !== 4) return this.fail(h2.FRAME_SIZE_ERROR);
    if (id === 0 || this.#isIdle(id)) return this.fail(h2.PROTOCOL_ERROR);
    const stream = this.streams.get(id);
    if (stream === undefined) return;
    if (this.#role.server) this.#nuisanceSeen(); // before its answer was complete: rapid reset
    if (!this.gone) stream.receiveReset(payload.readUInt32BE(0));
  }

  #settingsReceived(flags: number, id: number, payload: Buffer): void {
    if (id !== 0) return this.fail(h2.PROTOCOL_ERROR);
    if ((flags & h2.ACK) !== 0) return payload.length === 0 ? undefined : this.fail(h2.FRAME_SIZE_ERROR);
    if (payload.length % 6 !== 0) return this.fail(h2.FRAME_SIZE_ERROR);
    if (payload.length > 6 * 32) return this.fail(h2.ENHANCE_YOUR_CALM);
    if (this.peerSettingsSeen) this.#nuisanceSeen();
    for (let i = 0; i < payload.length; i += 6) {
      const error = this.#setting(payload.readUInt16BE(i), payload.readUInt32BE(i + 2));
      if (error !== h2.NO_ERROR) return this.fail(error);
    }
    this.peerSettingsSeen = true;
    this.#out.header(h2.SETTINGS, h2.ACK, 0, 0);
    this.#role.onPeerSettings();
    this.#pumpAll();
  }

  #setting(identifier: number, value: number): number {
    switch (identifier) {
      case h2.SETTINGS_HEADER_TABLE_SIZE:
        this.#encoder.setMaxTable(value);
        return h2.NO_ERROR;
      case h2.SETTINGS_ENABLE_PUSH:
        return value > 1 || (value === 1 && !this.#role.server) ? h2.PROTOCOL_ERROR : h2.NO_ERROR;
      case h2.SETTINGS_MAX_CONCURRENT_STREAMS:
        this.peerMaxStreams = value;
        return h2.NO_ERROR;
      case h2.SETTINGS_INITIAL_WINDOW_SIZE: {
        if (value > h2.MAX_WINDOW) return h2.FLOW_CONTROL_ERROR;
        const delta = value - this.peerInitialWindow;
        this.peerInitialWindow = value;
        for (const stream of this.streams.list()) stream.sendWindow += delta;
        return h2.NO_ERROR;
      }
      case h2.SETTINGS_MAX_FRAME_SIZE:
        if (value < h2.MAX_FRAME_BYTES || value > 2 ** 24 - 1) return h2.PROTOCOL_ERROR;
        this.#peerMaxFrame = h2.MAX_FRAME_BYTES; // larger frames would make others wait
        return h2.NO_ERROR;
      case h2.SETTINGS_ENABLE_CONNECT_PROTOCOL:
        if (value > 1) return h2.PROTOCOL_ERROR;
        this.peerExtendedConnect = value === 1;
        return h2.NO_ERROR;
      default:
        return h2.NO_ERROR;
    }
  }

  #ping(flags: number, id: number, payload: Buffer): void {
    if (id !== 0) return this.fail(h2.PROTOCOL_ERROR);
    if (payload.length !== 8) return this.fail(h2.FRAME_SIZE_ERROR);
    if ((flags & h2.ACK) !== 0) return this.#role.onPong();
    this.#nuisanceSeen();
    this.#out.header(h2.PING, h2.ACK, 0, 8);
    this.#out.push(payload);
  }

  #windowUpdate(id: number, payload: Buffer): void {
    if (payload.length !== 4) return this.fail(h2.FRAME_SIZE_ERROR);
    const more = payload.readUInt32BE(0) & h2.MAX_WINDOW;
    if (id === 0) {
      if (more < 64) this.#nuisanceSeen();
      this.sendWindow += more;
      if (more === 0) return this.fail(h2.PROTOCOL_ERROR);
      if (this.sendWindow > h2.MAX_WINDOW) return this.fail(h2.FLOW_CONTROL_ERROR);
      return this.#pumpAll();
    }
    if (this.#isIdle(id)) return this.fail(h2.PROTOCOL_ERROR);
    if (more < 64) this.#nuisanceSeen();
    const stream = this.streams.get(id);
    if (stream === undefined || this.gone) return;
    stream.sendWindow += more;
    if (more === 0) return this.streamError(stream, h2.PROTOCOL_ERROR);
    if (stream.sendWindow > h2.MAX_WINDOW) return this.streamError(stream, h2.FLOW_CONTROL_ERROR);
    this.#pumpAll();
  }

  /** Counts what costs us more than the peer; a peer that does nothing else is sent away. */
  #nuisanceSeen(): void {
    const { nuisanceBurst, nuisancePerSecond } = this.settings;
    if (++this.#nuisance < nuisanceBurst) return;
    const now = performance.now();
    this.#nuisance -= Math.min(this.#nuisance, ((now - this.#nuisanceSince) * nuisancePerSecond) / 1000);
    this.#nuisanceSince = now;
    if (this.#nuisance >= nuisanceBurst) this.fail(h2.ENHANCE_YOUR_CALM);
  }

  /** Widens a stream's window, as long as all streams together cannot fill the connection's. @returns by how much */
  lend(bytes: number): number {
    const lent = Math.max(0, Math.min(bytes, this.#lendable));
    this.#lendable -= lent;
    return lent;
  }

  giveBack(bytes: number): void {
    this.#lendable += bytes;
  }

  // ---- writing

  /** Whether the socket takes more. */
  writable(): boolean {
    return this.#out.waiting <= this.#highWater;
  }

  /** A stream that has to wait for a window or for the socket. */
  block(stream: Http2Stream): void {
    if (stream.blocked) return;
    stream.blocked = true;
    this.#blocked.push(stream);
  }

  /** @returns whether it had to wait */
  #release(stream: Http2Stream): boolean {
    if (!stream.blocked) return false;
    stream.blocked = false;
    this.#blocked.splice(this.#blocked.indexOf(stream), 1);
    return true;
  }

  /**
   * Sends what is queued, 16 KB of each stream in turn, as far as the window and the socket take it: a large one does not hold up the
   * others, and what is small finds little before it.
   */
  #pumpAll(): void {
    if (this.#blocked.length === 0 || this.gone) return;
    for (let progress = true; progress && this.sendWindow > 0;) {
      progress = false;
      for (const stream of [...this.#blocked]) {
        if (!this.writable()) return;
        if (!stream.pump(h2.MAX_FRAME_BYTES)) continue;
        progress = true;
        // Behind the others, who are first when the socket takes more
        if (this.#release(stream)) this.block(stream);
      }
    }
    this.#unblock();
  }

  /**
   * Ends streams whose peer has owed us something for the stall limit (and up to a half of it more): no deadline is set per
   * stream or frame. A socket that takes nothing any more is closed: what we would say could not be read.
   */
  #lookForStalled(): void {
    for (const stream of this.streams.list()) {
      if (stream.quietLooks(this.#role.server) >= STALLED_LOOKS) this.streamError(stream, h2.CANCEL);
      if (this.gone) return;
    }
    this.#stuckLooks = this.writable() ? 0 : this.#stuckLooks + 1;
    if (this.#stuckLooks >= STALLED_LOOKS) this.#socket.destroy(new Error('the peer reads no more'));
    else this.#stall.set(this.#limits.stallTimeoutMs / 2);
  }

  #unblock(): void {
    for (const stream of [...this.#blocked]) {
      if (stream.queued) continue;
      if (!this.writable()) return;
      if (this.#release(stream)) stream.unblocked();
    }
  }

  sendDataFrames(id: number, chunk: Buffer): void {
    for (let at = 0; at < chunk.length; at += h2.BULK_BYTES) {
      const piece = chunk.length <= h2.BULK_BYTES ? chunk : chunk.subarray(at, at + h2.BULK_BYTES);
      this.sendWindow -= piece.length;
      this.#out.data(id, piece, this.#peerMaxFrame);
    }
  }

  /** @returns false when a field may not be written; nothing is sent then */
  sendRequest(id: number, head: RequestHead, end: boolean): boolean {
    const block = this.#heads.request(head, end);
    if (block === undefined) return false;
    const more = this.#heads.list(head.hop)!; // was looked at with the head
    const whole = block.length + more.length;
    if (whole > this.#peerMaxFrame) this.#sendBlock(id, Buffer.concat([block, more]), end);
    else {
      this.#out.frame(h2.HEADERS, end ? h2.END_HEADERS | h2.END_STREAM : h2.END_HEADERS, id, whole);
      this.#out.push(block);
      this.#out.push(more);
    }
    return true;
  }

  /** @returns false when a field may not be written; nothing is sent then */
  sendResponse(id: number, head: ResponseHead, bodiless: boolean, tunnel: boolean): boolean {
    const block = this.#heads.response(head, bodiless, tunnel);
    if (block !== undefined) this.#sendBlock(id, block, false);
    return block !== undefined;
  }

  #sendBlock(id: number, block: Buffer, end: boolean): void {
    const flags = end ? h2.END_STREAM : 0;
    const first = block.length <= this.#peerMaxFrame ? block : block.subarray(0, this.#peerMaxFrame);
    const whole = first === block;
    this.#out.frame(h2.HEADERS, flags | (whole ? h2.END_HEADERS : 0), id, first.length);
    this.#out.push(first);
    for (let at = first.length; at < block.length; at += this.#peerMaxFrame) {
      const part = block.subarray(at, at + this.#peerMaxFrame);
      const last = at + part.length === block.length ? h2.END_HEADERS : 0;
      this.#out.header(h2.CONTINUATION, last, id, part.length);
      this.#out.push(part);
    }
  }

  /** Ends our direction of a stream: on its last frame if that has not left yet, else with an empty one. */
  sendEndOf(id: number, trailers: Headers | undefined): void {
    if (trailers !== undefined && trailers.length > 0) {
      const block = this.#heads.list(trailers);
      if (block !== undefined) return this.#sendBlock(id, block, true);
    }
    // A gRPC request without a message ends with an empty DATA frame, never with its head: grpc-go waits for that
    if (!this.#out.endLast(id, this.#role.server)) this.#out.frame(h2.DATA, h2.END_STREAM, id, 0);
  }

  sendReset(id: number, code: number): void {
    this.#resets.add(id);
    if (this.#resets.size > REMEMBERED_RESETS) {
      for (const oldest of this.#resets) {
        this.#resets.delete(oldest);
        this.#forgottenReset = Math.max(this.#forgottenReset, oldest);
        break;
      }
    }
    this.#out.numbers(h2.RST_STREAM, id, code);
  }

  sendWindowUpdate(id: number, bytes: number): void {
    this.#out.numbers(h2.WINDOW_UPDATE, id, bytes);
  }

  /** @param lastStream the highest that will be looked at; default: that was looked at */
  sendGoaway(code: number, lastStream = this.lastPeerStream): void {
    this.#out.numbers(h2.GOAWAY, 0, lastStream, code);
  }

  sendPing(): void {
    this.#out.header(h2.PING, 0, 0, 8);
    this.#out.push(PING_PAYLOAD);
  }

  /** Bytes of the peer that were heard, or that nobody will hear: the connection's window opens again. */
  credit(bytes: number): void {
    this.#unreturned += bytes;
    if (this.#unreturned < this.#creditAt || this.gone) return;
    this.#receiveWindow += this.#unreturned;
    this.sendWindowUpdate(0, this.#unreturned);
    this.#unreturned = 0;
  }

  // ---- streams and ends

  /** Opens the window of a stream that begins. */
  adopt(stream: Http2Stream, id: number): void {
    stream.id = id;
    stream.sendWindow = this.peerInitialWindow;
    stream.receiveWindow = this.settings.initialWindowBytes;
    this.streams.add(stream);
  }

  forget(stream: Http2Stream): void {
    this.#release(stream);
    if (stream.id !== 0 && !this.streams.delete(stream.id)) return;
    stream.forgotten();
    this.#role.onForgotten(stream);
  }

  /** The peer broke the rules of one stream. */
  streamError(stream: Http2Stream, code: number): void {
    this.sendReset(stream.id, code);
    this.#nuisanceSeen();
    stream.receiveReset(code === h2.NO_ERROR ? h2.CANCEL : code);
  }

  /** The peer broke the rules of the connection: says why and closes. */
  fail(code: number): void {
    if (this.gone) return;
    this.sendGoaway(code);
    this.#out.flush();
    this.#socket.end();
    this.lose(code, `connection error ${code}`);
  }

  /** Ends every stream and the socket. */
  lose(code: number, cause: unknown): void {
    if (this.gone) return;
    this.gone = true;
    this.#stall.dispose();
    this.#held = EMPTY;
    this.#dataOf = undefined;
    for (const stream of this.streams.list()) stream.receiveReset(code === h2.NO_ERROR ? h2.CANCEL : code, cause);
    this.#role.onGone();
    // What is queued is still written; the peer's bytes are not read any more.
    if (this.#socket.writableLength > 0) this.#socket.destroySoon();
    else this.#socket.destroy();
  }

  /** Nothing is left to do: writes what is queued and closes. */
  finish(): void {
    this.#out.flush();
    this.#socket.end();
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
function unpad(payload: Buffer, from: number): Buffer | undefined {
  const padding = payload[from];
  if (padding === undefined || padding >= payload.length - from) return undefined;
  return payload.subarray(from + 1, payload.length - padding);
}

/** The trailers that a section is, as far as they may be passed on; the same list for the same section. */
function trailersOf(section: Section): Headers | undefined {
  if (!section.recurring) return keepTrailers(section.fields);
  section.withEnd ??= keepTrailers(section.fields);
  return section.withEnd as Headers | undefined;
}
