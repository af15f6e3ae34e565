import type { Duplex } from 'node:stream';

export interface ChannelOptions {
  /** A larger frame from the peer ends the channel. */
  readonly maxFrameBytes: number;
  /** One parsed frame. Throwing ends the channel with that error. */
  readonly onFrame: (frame: unknown) => void;
  /** Called once. `error` is undefined when the peer ended well. */
  readonly onClose: (error: Error | undefined) => void;
}

const NEWLINE = 0x0a;

/** Frames of JSON, one per line, over any duplex stream. */
export class Channel {
  /** Bytes that came in since the channel was opened: whoever watches for silence compares two readings. */
  bytesRead = 0;
  readonly #duplex: Duplex;
  readonly #options: ChannelOptions;
  #parts: Buffer[] = [];
  #partsBytes = 0;
  #closed = false;
  #wakeWriters: (() => void)[] = [];

  constructor(duplex: Duplex, options: ChannelOptions) {
    this.#duplex = duplex;
    this.#options = options;
    duplex.on('data', (chunk: Buffer) => this.#read(chunk));
    duplex.on('drain', () => this.#wake());
    duplex.on('error', (error: Error) => this.close(error));
    duplex.on('end', () => this.close());
    duplex.on('close', () => this.close());
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Sends one frame. Returns false when the buffer is above its mark: then wait for `drained`. */
  send(frame: object): boolean {
    return this.sendText(JSON.stringify(frame));
  }

  /** The same for a frame that is JSON text (without line feeds) already. */
  sendText(text: string): boolean {
    if (this.#closed) return true;
    return this.#duplex.write(`${text}\n`);
  }

  /** Resolves when the peer has taken enough to go on, or the channel is closed. */
  drained(): Promise<void> {
    if (this.#closed || !this.#duplex.writableNeedDrain) return Promise.resolve();
    return new Promise((resolve) => this.#wakeWriters.push(resolve));
  }

  /** Ends the channel. With an error at once; without, after what was sent has been flushed. */
  close(error?: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#parts = [];
    this.#wake();
    // Whoever does not read has no claim to a last word.
    if (error !== undefined || this.#duplex.writableNeedDrain) this.#duplex.destroy();
    else this.#duplex.end(() => setImmediate(() => this.#duplex.destroy()));
    this.#options.onClose(error);
  }

  #wake(): void {
    for (const wake of this.#wakeWriters.splice(0)) wake();
  }

  #read(chunk: Buffer): void {
    this.bytesRead += chunk.length;
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1 && !this.#closed; end = chunk.indexOf(NEWLINE, start)) {
      this.#add(chunk.subarray(start, end));
      start = end + 1;
      this.#frame();
    }
    if (!this.#closed && start < chunk.length) this.#add(chunk.subarray(start));
  }

  #add(part: Buffer): void {
    this.#partsBytes += part.length;
    this.#parts.push(part);
    const { maxFrameBytes } = this.#options;
    if (this.#partsBytes > maxFrameBytes) this.close(new Error(`a frame is larger than ${maxFrameBytes} bytes`));
  }

  #frame(): void {
    const text = (this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts)).toString('utf8');
    this.#parts = [];
    this.#partsBytes = 0;
    if (this.#closed) return;
    try {
      this.#options.onFrame(JSON.parse(text));
    } catch (error) {
      this.close(error instanceof SyntaxError ? new Error(`a frame is no JSON: ${error.message}`) : (error as Error));
    }
  }
}
