import { connect, type Socket } from 'node:net';
import type { Driver, Lane } from './driver.ts';
import * as h2 from './http2-wire.ts';

/** One gRPC message: its 5-byte prefix and 100 bytes. The app sends back what it gets. */
const MESSAGE = Buffer.concat([Buffer.from([0, 0, 0, 0, 100]), Buffer.alloc(100, 'x')]);
const CALL: h2.HeaderList = {
  fixed: [3, 6], // POST, http
  fields: [
    [':path', '/bench.Echo/Say'],
    [':authority', 'grpc.bench'],
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
    ['user-agent', 'bench'],
  ],
};

/** A connection that carries gRPC calls; each lane has one at a time. */
export class GrpcConnection {
  readonly lanes: readonly GrpcLane[];
  readonly #port: number;
  readonly #streams = new Map<number, GrpcLane>();
  #socket: Socket | undefined;
  #out = new h2.TurnWriter(() => {});
  #encoder = new h2.HeaderEncoder();
  #nextStream = 1;
  #unacknowledged = 0;
  #closed = false;

  /** @param streaming one call for the life of a lane, and a request is a message of it; else a call per request */
  constructor(driver: Pick<Driver, 'done'>, port: number, lanes: number, streaming: boolean) {
    this.#port = port;
    this.lanes = Array.from({ length: lanes }, () => new GrpcLane(this, driver, streaming));
  }

  /** Resolves when the far end has said its SETTINGS. @throws Error when the connection is refused or ends before */
  connect(): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true });
      const reader = new h2.FrameReader((type, flags, id, bytes, from, to) => {
        if (type === h2.SETTINGS && (flags & h2.ACK) === 0) {
          this.#encoder.tableAllowed = h2.allowsTable(bytes.subarray(from, to));
          resolve();
        }
        this.#onFrame(type, flags, id, bytes, from, to);
      });
      this.#socket = socket;
      this.#out = new h2.TurnWriter((bytes) => socket.write(bytes));
      this.#encoder = new h2.HeaderEncoder();
      this.#nextStream = 1;
      socket.on('error', () => {}); // 'close' follows
      socket.on('data', (chunk) => reader.read(chunk));
      socket.on('close', () => {
        reject(new Error(`port ${this.#port} refuses HTTP/2`));
        this.#onClose();
      });
      socket.write(Buffer.concat([h2.PREFACE, h2.hello()]));
    });
  }

  /** Begins a call. @returns its stream */
  open(lane: GrpcLane, endStream: boolean): number {
    const id = this.#nextStream;
    this.#nextStream += 2;
    this.#streams.set(id, lane);
    this.#out.send(h2.frame(h2.HEADERS, h2.END_HEADERS, id, this.#encoder.encode(CALL)));
    this.message(id, endStream);
    return id;
  }

  message(id: number, endStream: boolean): void {
    this.#out.send(h2.frame(h2.DATA, endStream ? h2.END_STREAM : 0, id, MESSAGE));
  }

  close(): void {
    this.#closed = true;
    this.#socket?.destroy();
  }

  #onFrame(type: number, flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    switch (type) {
      case h2.DATA:
        this.#acknowledge(to - from);
        this.#streams.get(id)?.onData(to - from);
        if ((flags & h2.END_STREAM) !== 0) this.#end(id);
        return;
      case h2.HEADERS:
        this.#streams.get(id)?.onHeaders(h2.isStatus200(bytes, from));
        if ((flags & h2.END_STREAM) !== 0) this.#end(id);
        return;
      case h2.RST_STREAM:
        return this.#end(id);
      case h2.SETTINGS:
        if ((flags & h2.ACK) === 0) this.#out.send(h2.frame(h2.SETTINGS, h2.ACK, 0, Buffer.alloc(0)));
        return;
      case h2.PING:
        if ((flags & h2.ACK) === 0) this.#out.send(h2.frame(h2.PING, h2.ACK, 0, bytes.subarray(from, to)));
        return;
    }
  }

  #acknowledge(bytes: number): void {
    this.#unacknowledged += bytes;
    if (this.#unacknowledged < h2.WINDOW / 2) return;
    this.#out.send(h2.windowUpdate(this.#unacknowledged));
    this.#unacknowledged = 0;
  }

  #end(id: number): void {
    const lane = this.#streams.get(id);
    this.#streams.delete(id);
    lane?.onEnd();
  }

  #onClose(): void {
    if (this.#closed) return;
    const lost = [...this.#streams.values()];
    this.#streams.clear();
    const again = () => lost.forEach((lane) => lane.onEnd());
    this.connect().then(again, again);
  }
}

class GrpcLane implements Lane {
  startedMs = 0;
  readonly #connection: GrpcConnection;
  readonly #driver: Pick<Driver, 'done'>;
  readonly #streaming: boolean;
  #stream = 0;
  #busy = false;
  #status = false;
  #trailers = false;
  #bytes = 0;

  constructor(connection: GrpcConnection, driver: Pick<Driver, 'done'>, streaming: boolean) {
    this.#connection = connection;
    this.#driver = driver;
    this.#streaming = streaming;
  }

  send(): void {
    this.#busy = true;
    this.#bytes = 0;
    if (this.#stream !== 0) return this.#connection.message(this.#stream, false);
    this.#status = false;
    this.#trailers = false;
    this.#stream = this.#connection.open(this, !this.#streaming);
  }

  /** The first block is the head, the second the trailers. */
  onHeaders(ok: boolean): void {
    if (this.#status) this.#trailers = true;
    else this.#status = ok;
  }

  onData(bytes: number): void {
    this.#bytes += bytes;
    if (this.#streaming && this.#bytes === MESSAGE.length) this.#done(this.#status ? undefined : 'no status 200');
  }

  /** The stream is over, as it should be or not. */
  onEnd(): void {
    this.#stream = 0;
    if (!this.#busy) return;
    if (this.#streaming) this.#done('the stream ended');
    else if (this.#status && this.#trailers && this.#bytes === MESSAGE.length) this.#done();
    else this.#done(`status 200: ${this.#status}, ${this.#bytes} bytes, trailers: ${this.#trailers}`);
  }

  #done(failure?: string): void {
    this.#busy = false;
    this.#driver.done(this, failure);
  }
}
