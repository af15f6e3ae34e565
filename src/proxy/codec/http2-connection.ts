import type { Socket } from 'node:net';
import { FloodBudget } from './flood-budget.ts';
import { FrameBuffer } from './frame-buffer.ts';
import { HpackDecoder, type HpackLimits } from './hpack-decoder.ts';
import { HpackEncoder } from './hpack-encoder.ts';
import { FrameReader, type FrameHandler } from './http2-frame-reader.ts';
import * as h2 from './http2-frames.ts';
import { Http2HeadWriter } from './http2-head-writer.ts';
import { PeerSettings } from './http2-peer-settings.ts';
import { ReceiveWindow } from './http2-receive-window.ts';
import { RecentResets } from './http2-resets.ts';
import type { Section } from './http2-section.ts';
import { SendQueue } from './http2-send-queue.ts';
import type { Http2Settings } from './http2-settings.ts';
import type { Http2Stream } from './http2-stream.ts';
import { StreamAccount } from './stream-account.ts';
import { StreamTable } from './stream-table.ts';
import type { CodecLimits, Headers, RequestHead, ResponseHead } from './stream.ts';
import type { TimerWheel, WheelTimer } from './timer-wheel.ts';
import { keepTrailers } from './trailers.ts';

const PING_PAYLOAD = Buffer.alloc(8);
/** Looks during which nothing may move before a peer counts as stalled; the first may come at once. */
const STALLED_LOOKS = 3;

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
  /** It is of no more use because the peer did too much that brings nothing. */
  onSentAway(): void;
}

export interface Http2ConnectionOptions {
  readonly limits: CodecLimits;
  readonly timers: TimerWheel;
  readonly settings: Http2Settings;
  /** What all connections from the same place may call off together. */
  readonly shared?: FloodBudget | undefined;
  /** Read before. */
  readonly firstBytes?: Buffer | undefined;
}

/**
 * One HTTP/2 connection (RFC 9113): what each frame means to its streams, settings, floods, and the frames that we send. Frames are
 * cut by `FrameReader`; whose turn it is to send is `SendQueue`'s.
 */
export class Http2Connection implements FrameHandler {
  readonly streams = new StreamTable<Http2Stream>();
  readonly settings: Http2Settings;
  readonly sending: SendQueue;
  readonly receiving: ReceiveWindow;
  readonly peer: PeerSettings;
  gone = false;
  /** Highest stream of the peer that we have looked at. */
  lastPeerStream = 0;
  lastOwnStream = 0;

  readonly #socket: Socket;
  readonly #role: Http2Role;
  readonly #limits: CodecLimits;
  readonly #reader: FrameReader;
  readonly #out: FrameBuffer;
  readonly #encoder = new HpackEncoder();
  readonly #heads = new Http2HeadWriter(this.#encoder);
  readonly #decoder = new HpackDecoder();
  readonly #listLimits: HpackLimits;
  readonly #stall: WheelTimer;
  /** Looks since the socket took anything, while it takes no more. */
  #stuckLooks = 0;
  readonly #resets = new RecentResets();
  readonly account: StreamAccount;
  readonly #nuisance: FloodBudget;

  constructor(socket: Socket, role: Http2Role, options: Http2ConnectionOptions) {
    const { limits, timers, settings } = options;
    this.#socket = socket;
    this.#role = role;
    this.#limits = limits;
    this.settings = settings;
    const maxFields = limits.maxHeaders + 6; // and the pseudo-fields
    this.#listLimits = { maxFields, maxListBytes: limits.maxHeadBytes + 32 * maxFields };
    this.#out = new FrameBuffer(socket, () => this.#pump());
    this.sending = new SendQueue(this.#out, Math.max(limits.highWaterBytes, socket.writableHighWaterMark));
    this.receiving = new ReceiveWindow(settings);
    this.peer = new PeerSettings(!role.server, this.#encoder);
    this.account = new StreamAccount(settings.calledOff, options.shared);
    this.#nuisance = new FloodBudget(settings.nuisance);
    this.#stall = timers.timer(() => this.#lookForStalled());
    this.#stall.set(limits.stallTimeoutMs / 2);
    socket.allowHalfOpen = true;
    socket.on('drain', () => (this.#stuckLooks = 0));
    socket.on('end', () => this.lose(h2.NO_ERROR, 'the peer has ended the connection'));
    socket.on('error', (error) => this.lose(h2.NO_ERROR, error));
    socket.on('close', () => this.lose(h2.NO_ERROR, 'the connection is closed'));
    this.#greet();
    this.#reader = new FrameReader(socket, this, role.server, options.firstBytes);
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
    this.#out.whole(h2.settingsFrame(settings));
    const more = this.settings.connectionWindowBytes - h2.DEFAULT_WINDOW;
    if (more > 0) this.sendWindowUpdate(0, more);
  }

  // ---- what comes

  onIgnored(): void {
    this.#nuisanceSeen();
  }

  onData(id: number, chunk: Buffer, bytes: number, end: boolean): void {
    const stream = this.onDataBegins(id, bytes);
    if (stream === undefined) return;
    if (chunk.length === 0 && !end) this.#nuisanceSeen();
    if (!this.gone) stream.receiveData(chunk, bytes, end);
  }

  /** Judges a DATA frame by its header, and counts it. @returns whom its payload is for; undefined: nobody, and all has been said */
  onDataBegins(id: number, length: number): Http2Stream | undefined {
    if (this.#isIdle(id)) return void this.fail(h2.PROTOCOL_ERROR);
    if (!this.receiving.receive(length)) return void this.fail(h2.FLOW_CONTROL_ERROR);
    const stream = this.streams.get(id);
    if (stream === undefined || stream.inEnded) {
      this.credit(length);
      if (length < 1024) this.#calledOff(); // full frames cost the peer as much as us
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
    else if (!this.#resets.has(id)) this.fail(h2.STREAM_CLOSED);
  }

  /** A header block likewise; or one that opens a stream in the wrong order (RFC 9113 5.1.1). */
  #lateHead(id: number): void {
    if (this.#role.server && id < this.lastPeerStream && !this.#resets.has(id)) return this.fail(h2.PROTOCOL_ERROR);
    this.#late(id);
  }

  /** Whether a stream that we do not know was never opened: then any frame but HEADERS is an offence (RFC 9113 5.1). */
  #isIdle(id: number): boolean {
    const ours = (id & 1) === (this.#role.server ? 0 : 1);
    return ours ? id > this.lastOwnStream : id > this.lastPeerStream;
  }

  onHeaderBlock(id: number, bytes: Buffer, start: number, end: number, endStream: boolean): boolean {
    const result = this.#decoder.section(bytes, start, end, this.#listLimits);
    const last = this.lastPeerStream;
    if (result === 'broken') this.fail(h2.COMPRESSION_ERROR);
    else this.#section(id, result === 'too large' ? undefined : result, endStream);
    return this.lastPeerStream !== last;
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
    this.#calledOff();
  }

  onReset(id: number, code: number): void {
    if (this.#isIdle(id)) return this.fail(h2.PROTOCOL_ERROR);
    const stream = this.streams.get(id);
    if (stream === undefined) return;
    if (this.#role.server) this.#calledOff(); // before its answer was complete: rapid reset
    if (!this.gone) stream.receiveReset(code);
  }

  onSettings(payload: Buffer): void {
    if (this.peer.seen) this.#nuisanceSeen(1 + this.streams.size / 32); // each may be told of it
    const before = this.peer.initialWindow;
    const error = this.peer.read(payload);
    if (error !== h2.NO_ERROR) return this.fail(error);
    if (!this.#widen(this.peer.initialWindow - before)) return this.fail(h2.FLOW_CONTROL_ERROR);
    this.#out.header(h2.SETTINGS, h2.ACK, 0, 0);
    this.#role.onPeerSettings();
    this.#pump();
  }

  /** The windows of streams that are open change with the one that they began with (RFC 9113 6.9.2). @returns false: beyond the largest */
  #widen(bytes: number): boolean {
    if (bytes === 0) return true;
    let fits = true;
    for (const stream of this.streams.list()) {
      stream.sendWindow += bytes;
      if (stream.sendWindow > h2.MAX_WINDOW) fits = false;
    }
    return fits;
  }

  onSettingsAck(): void {
    const { change, upTo } = this.receiving.acknowledged();
    if (change === 0) return;
    for (const stream of this.streams.list()) {
      if (this.#role.server || stream.id <= upTo) stream.receiveWindow += change;
    }
  }

  onPing(payload: Buffer): void {
    this.#nuisanceSeen();
    this.#out.header(h2.PING, h2.ACK, 0, 8);
    this.#out.push(payload);
  }

  onPong(): void {
    this.#role.onPong();
  }

  onGoaway(lastStream: number): void {
    this.#role.onGoaway(lastStream);
  }

  onWindowUpdate(id: number, more: number): void {
    if (id === 0) {
      if (more < 64) this.#nuisanceSeen();
      this.sending.window += more;
      if (more === 0) return this.fail(h2.PROTOCOL_ERROR);
      if (this.sending.window > h2.MAX_WINDOW) return this.fail(h2.FLOW_CONTROL_ERROR);
      return this.#pump();
    }
    if (this.#isIdle(id)) return this.fail(h2.PROTOCOL_ERROR);
    if (more < 64) this.#nuisanceSeen();
    const stream = this.streams.get(id);
    if (stream === undefined || this.gone) return;
    stream.sendWindow += more;
    if (more === 0) return this.streamError(stream, h2.PROTOCOL_ERROR);
    if (stream.sendWindow > h2.MAX_WINDOW) return this.streamError(stream, h2.FLOW_CONTROL_ERROR);
    this.#pump();
  }

  /** Counts frames that cost us and bring nothing; a peer that does nothing else is sent away. */
  #nuisanceSeen(count = 1): void {
    if (!this.#nuisance.spend(count)) this.#sendAway();
  }

  /** Counts a request that was begun in vain. */
  #calledOff(): void {
    if (!this.account.calledOff()) this.#sendAway();
  }

  #sendAway(): void {
    if (this.gone) return;
    this.fail(h2.ENHANCE_YOUR_CALM);
    this.#role.onSentAway();
  }

  /** A request that is not even looked at: the peer may send it again, elsewhere or later (RFC 9113 8.7). */
  refuseStream(id: number): void {
    this.sendReset(id, h2.REFUSED_STREAM);
    this.#nuisanceSeen();
  }

  // ---- what we say

  #pump(): void {
    if (!this.gone) this.sending.pump();
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
    this.#stuckLooks = this.sending.writable() ? 0 : this.#stuckLooks + 1;
    if (this.#stuckLooks >= STALLED_LOOKS) this.#socket.destroy(new Error('the peer reads no more'));
    else this.#stall.set(this.#limits.stallTimeoutMs / 2);
  }

  /** @returns false when a field may not be written; nothing is sent then */
  sendRequest(id: number, head: RequestHead, end: boolean): boolean {
    const block = this.#heads.request(head, end);
    if (block === undefined) return false;
    const more = this.#heads.list(head.hop)!; // was looked at with the head
    this.#out.headers(id, block, end, more);
    return true;
  }

  /** @returns false when a field may not be written; nothing is sent then */
  sendResponse(id: number, head: ResponseHead, bodiless: boolean, tunnel: boolean): boolean {
    const block = this.#heads.response(head, bodiless, tunnel);
    if (block !== undefined) this.#out.headers(id, block, false);
    return block !== undefined;
  }

  /** Ends our direction of a stream: on its last frame if that has not left yet, else with an empty one. */
  sendEndOf(id: number, trailers: Headers | undefined): void {
    if (this.#role.server) this.account.answered();
    if (trailers !== undefined && trailers.length > 0) {
      const block = this.#heads.list(trailers);
      if (block !== undefined) return this.#out.headers(id, block, true);
    }
    // A gRPC request without a message ends with an empty DATA frame, never with its head: grpc-go waits for that
    if (!this.#out.endLast(id, this.#role.server)) this.#out.frame(h2.DATA, h2.END_STREAM, id, 0);
  }

  sendReset(id: number, code: number): void {
    this.#resets.add(id);
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
    if (this.gone) return;
    const more = this.receiving.credit(bytes);
    if (more > 0) this.sendWindowUpdate(0, more);
  }

  // ---- streams and ends

  /** How wide the windows of streams are that begin from now on. Said before the stream begins. */
  adaptWindows(): void {
    const first = this.receiving.adapt(this.lastOwnStream);
    if (first === undefined) return;
    this.#out.whole(h2.settingsFrame([h2.SETTINGS_INITIAL_WINDOW_SIZE, first]));
    // What was not worth a frame in a wide window may be all of a narrow one
    for (const stream of this.streams.list()) stream.returnHeard();
  }

  /** Opens the window of a stream that begins. */
  adopt(stream: Http2Stream, id: number): void {
    stream.id = id;
    stream.sendWindow = this.peer.initialWindow;
    stream.receiveWindow = this.receiving.begin(!this.#role.server);
    this.streams.add(stream);
  }

  forget(stream: Http2Stream): void {
    this.sending.release(stream);
    if (stream.id !== 0 && !this.streams.delete(stream.id)) return;
    stream.forgotten();
    this.#role.onForgotten(stream);
  }

  /** The peer broke the rules of one stream. */
  streamError(stream: Http2Stream, code: number): void {
    this.sendReset(stream.id, code);
    this.#calledOff();
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
    this.#reader.drop();
    if (this.#role.server) this.account.lost(this.streams.size);
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

/** The trailers that a section is, as far as they may be passed on; the same list for the same section. */
function trailersOf(section: Section): Headers | undefined {
  if (!section.recurring) return keepTrailers(section.fields);
  section.withEnd ??= keepTrailers(section.fields);
  return section.withEnd as Headers | undefined;
}
