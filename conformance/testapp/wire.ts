import type { Socket } from 'node:net';

/** No complete reply came. `code` is what the suite judges: `closed`, `refused`, `timeout`, `dns` or an errno. */
export class WireError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

const CODES: Readonly<Record<string, string>> = {
  ECONNRESET: 'closed',
  EPIPE: 'closed',
  ERR_STREAM_PREMATURE_CLOSE: 'closed',
  ERR_STREAM_DESTROYED: 'closed',
  ERR_HTTP2_SESSION_ERROR: 'closed',
  ERR_HTTP2_STREAM_ERROR: 'closed',
  ERR_HTTP2_STREAM_CANCEL: 'closed',
  ERR_HTTP2_INVALID_SESSION: 'closed',
  ERR_HTTP2_GOAWAY_SESSION: 'closed',
  ERR_HTTP2_ERROR: 'closed',
  ECONNREFUSED: 'refused',
  ETIMEDOUT: 'timeout',
  ENOTFOUND: 'dns',
  EAI_AGAIN: 'dns',
};

/** The suite's word for an error of sockets or streams. */
export function errorCode(error: unknown): string {
  if (error instanceof WireError) return error.code;
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' ? (CODES[code] ?? code) : String(error);
}

const MAX_BUFFERED = 1 << 20;

/** Reads a socket piece by piece. One reader at a time; at most 1 MiB is ever held. */
export class Wire {
  readonly socket: Socket;
  #held: Buffer = Buffer.alloc(0);
  /** Made into an error for who reads on: most connections just end, and an error takes its stack along. */
  #end: { readonly code: string; readonly message: string } | undefined;
  #wake: (() => void) | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#held = Buffer.concat([this.#held, chunk]);
      if (this.#held.length > MAX_BUFFERED) socket.destroy(new WireError('too-large', 'the reply is over 1 MiB'));
      this.#wake?.();
    });
    const end = (code: string, message: string) => {
      this.#end ??= { code, message };
      this.#wake?.();
    };
    socket.on('error', (error) => end(errorCode(error), error.message));
    socket.on('end', () => end('closed', 'the other side closed the connection'));
    socket.on('close', () => end('closed', 'the connection is closed'));
    socket.resume(); // an earlier reader paused it (release)
  }

  get ended(): boolean {
    return this.#end !== undefined;
  }

  write(bytes: string | Buffer): void {
    if (typeof bytes === 'string') this.socket.write(bytes, 'latin1');
    else this.socket.write(bytes);
  }

  /** Up to and including the next LF, without CR LF. */
  async line(): Promise<string> {
    for (;;) {
      const at = this.#held.indexOf(10);
      if (at >= 0)
        return this.#take(at + 1)
          .toString('latin1')
          .replace(/\r?\n$/, '');
      await this.#more();
    }
  }

  async exactly(bytes: number): Promise<Buffer> {
    while (this.#held.length < bytes) await this.#more();
    return this.#take(bytes);
  }

  /** Everything until the other side closes. */
  async rest(): Promise<Buffer> {
    while (this.#end === undefined) await this.#wait();
    return this.#take(this.#held.length);
  }

  /** Takes what is held and stops listening: the socket goes to another reader. */
  release(): Socket {
    this.socket.removeAllListeners('data');
    this.socket.pause();
    if (this.#held.length > 0) this.socket.unshift(this.#take(this.#held.length));
    return this.socket;
  }

  #take(bytes: number): Buffer {
    const taken = this.#held.subarray(0, bytes);
    this.#held = this.#held.subarray(bytes);
    return taken;
  }

  async #more(): Promise<void> {
    if (this.#end !== undefined) throw new WireError(this.#end.code, this.#end.message);
    await this.#wait();
  }

  #wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }
}
