import { connect, type Socket } from 'node:net';
import type { Driver, Lane } from './driver.ts';

const HEAD_END = '\r\n\r\n';
const RETRY_MS = 100;

export interface Http1LaneOptions {
  readonly driver: Pick<Driver, 'done'>;
  readonly port: number;
  readonly path: string;
  readonly bodyBytes: number;
  /** A connection of its own for every request. */
  readonly reconnect: boolean;
}

/** GETs over HTTP/1.1, one at a time. Looks at no more of a reply than its status and its length. */
export class Http1Lane implements Lane {
  startedMs = 0;
  readonly #options: Http1LaneOptions;
  readonly #request: Buffer;
  #socket: Socket | undefined;
  #busy = false;
  #closed = false;
  /** Beginning of a reply's head that came in pieces. */
  #head = '';
  #inBody = false;
  #missing = 0;
  /** Status line of a reply that was not the expected one. */
  #wrong = '';

  constructor(options: Http1LaneOptions) {
    this.#options = options;
    const last = options.reconnect ? 'Connection: close\r\n' : '';
    this.#request = Buffer.from(
      `GET ${options.path} HTTP/1.1\r\nHost: app.bench\r\nUser-Agent: bench\r\nAccept: */*\r\n${last}\r\n`,
    );
  }

  /** @throws Error when the connection is refused */
  connect(): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port: this.#options.port, host: '127.0.0.1', noDelay: true }, resolve);
      this.#socket = socket;
      socket.on('error', reject); // once connected, 'close' tells
      socket.on('data', (chunk) => this.#onData(chunk));
      socket.on('close', () => this.#onClose(socket));
    });
  }

  send(): void {
    this.#busy = true;
    this.#inBody = false;
    if (this.#options.reconnect) this.connect().catch(() => {});
    this.#socket?.write(this.#request);
  }

  close(): void {
    this.#closed = true;
    this.#socket?.destroy();
  }

  #onData(chunk: Buffer): void {
    if (!this.#busy) return void this.#socket?.destroy(); // nobody asked
    let bytes = chunk.length;
    if (!this.#inBody) {
      const text = this.#head + chunk.toString('latin1');
      const end = text.indexOf(HEAD_END);
      if (end < 0) return void (this.#head = text);
      this.#head = '';
      this.#inBody = true;
      this.#missing = bodyLength(text, this.#options.bodyBytes);
      if (Number.isNaN(this.#missing)) this.#wrong = text.slice(0, text.indexOf('\r\n'));
      bytes = text.length - end - HEAD_END.length;
    }
    this.#missing -= bytes;
    if (this.#missing === 0) this.#succeed();
    else if (!(this.#missing > 0)) this.#socket?.destroy(); // the wrong reply: a failure, told when it is closed
  }

  #succeed(): void {
    this.#busy = false;
    if (this.#options.reconnect) this.#socket?.end();
    this.#options.driver.done(this);
  }

  /** The far end closed, or we did: a request that runs has failed, and the next one needs a connection. */
  #onClose(socket: Socket): void {
    if (this.#closed || socket !== this.#socket) return; // an earlier request's
    const failed = this.#busy;
    const why = this.#wrong || 'the connection ended';
    this.#wrong = '';
    this.#busy = false;
    this.#head = '';
    const next = this.#options.reconnect
      ? new Promise<void>((resolve) => setImmediate(resolve))
      : this.connect().catch(() => new Promise<void>((resolve) => setTimeout(resolve, RETRY_MS)));
    void next.then(() => failed && this.#options.driver.done(this, why));
  }
}

/** NaN for a reply that is not the expected one. */
function bodyLength(head: string, expected: number): number {
  const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? Number.NaN);
  return head.startsWith('HTTP/1.1 200') && length === expected ? length : Number.NaN;
}
