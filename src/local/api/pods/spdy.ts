import { Duplex } from 'node:stream';
import { spdyHeaders } from './spdy-headers.ts';

/** A stream that the other side has opened. */
export interface SpdyStream {
  readonly headers: ReadonlyMap<string, string>;
  readonly bytes: Duplex;
}

const TYPE = { synStream: 1, synReply: 2, rst: 3, settings: 4, ping: 6, goAway: 7, headers: 8, window: 9 } as const;
const FIN = 1;
/** What clients of Kubernetes send in one frame is far less; more is no SPDY. */
const MAX_FRAME_BYTES = 4 * 1024 * 1024;

/**
 * The serving end of a SPDY/3.1 connection, as far as Kubernetes uses it: streams that the client opens, without
 * priorities, push and flow control (its own library has none either).
 */
export class SpdyServer {
  readonly #send: (bytes: Buffer) => void;
  readonly #accept: (stream: SpdyStream) => void;
  readonly #headers = spdyHeaders();
  readonly #streams = new Map<number, Duplex>();
  #buffer: Buffer = Buffer.alloc(0);
  #work: Promise<void> = Promise.resolve();

  /** `send` takes frames to the client; `accept` hears of each new stream. */
  constructor(send: (bytes: Buffer) => void, accept: (stream: SpdyStream) => void) {
    this.#send = send;
    this.#accept = accept;
  }

  /** Takes bytes of the client, in order. Rejects when they are no SPDY. */
  receive(bytes: Buffer): Promise<void> {
    this.#work = this.#work.then(() => this.#receive(bytes));
    return this.#work;
  }

  /** Ends all streams: the connection is gone. */
  close(): void {
    for (const stream of this.#streams.values()) stream.destroy();
    this.#streams.clear();
  }

  async #receive(bytes: Buffer): Promise<void> {
    this.#buffer = this.#buffer.length === 0 ? bytes : Buffer.concat([this.#buffer, bytes]);
    while (this.#buffer.length >= 8) {
      const length = this.#buffer.readUIntBE(5, 3);
      if (length > MAX_FRAME_BYTES) throw new Error('a SPDY frame is larger than 4 MiB');
      if (this.#buffer.length < 8 + length) return;
      const frame = this.#buffer.subarray(0, 8 + length);
      this.#buffer = this.#buffer.subarray(8 + length);
      await this.#frame(frame);
    }
  }

  async #frame(frame: Buffer): Promise<void> {
    const flags = frame[4] ?? 0;
    const body = frame.subarray(8);
    if (((frame[0] ?? 0) & 0x80) === 0) return this.#data(frame.readUInt32BE(0), body, flags);
    if (frame.readUInt16BE(0) !== 0x8003) throw new Error('the frame is not of SPDY version 3');
    switch (frame.readUInt16BE(2)) {
      case TYPE.synStream:
        return this.#open(body.readUInt32BE(0) & 0x7fffffff, body.subarray(10), flags);
      case TYPE.headers:
        await this.#headers.read(body.subarray(4)); // nobody needs them, but the compression has to follow
        return;
      case TYPE.rst:
        this.#drop(body.readUInt32BE(0) & 0x7fffffff);
        return;
      case TYPE.ping:
        this.#send(control(TYPE.ping, 0, body));
        return;
      default:
        return; // settings, windows, farewells
    }
  }

  async #open(id: number, block: Buffer, flags: number): Promise<void> {
    const headers = await this.#headers.read(block);
    const bytes = new Duplex({
      allowHalfOpen: true,
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        this.#send(data(id, 0, chunk));
        done();
      },
      final: (done) => {
        this.#send(data(id, FIN, Buffer.alloc(0)));
        done();
      },
      destroy: (error, done) => {
        if (error !== null) this.#send(control(TYPE.rst, 0, words(id, 6))); // 6: internal error
        this.#streams.delete(id);
        done(null);
      },
    });
    bytes.on('error', () => undefined);
    this.#streams.set(id, bytes);
    this.#send(control(TYPE.synReply, 0, Buffer.concat([words(id), await this.#headers.write({})])));
    if ((flags & FIN) !== 0) bytes.push(null);
    this.#accept({ headers, bytes });
  }

  #data(id: number, body: Buffer, flags: number): void {
    const stream = this.#streams.get(id);
    if (stream === undefined || stream.readableEnded) return;
    if (body.length > 0) stream.push(body);
    if ((flags & FIN) !== 0) stream.push(null);
  }

  #drop(id: number): void {
    this.#streams.get(id)?.destroy();
    this.#streams.delete(id);
  }
}

function words(...values: readonly number[]): Buffer {
  const out = Buffer.alloc(values.length * 4);
  for (const [i, value] of values.entries()) out.writeUInt32BE(value, i * 4);
  return out;
}

function control(type: number, flags: number, body: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt16BE(0x8003, 0);
  head.writeUInt16BE(type, 2);
  head[4] = flags;
  head.writeUIntBE(body.length, 5, 3);
  return Buffer.concat([head, body]);
}

function data(id: number, flags: number, body: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(id, 0);
  head[4] = flags;
  head.writeUIntBE(body.length, 5, 3);
  return Buffer.concat([head, body]);
}
