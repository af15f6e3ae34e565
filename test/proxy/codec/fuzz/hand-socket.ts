import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

/**
 * Stands for the socket that a codec takes over, and is moved by hand: what is fed is heard before `feed` returns, so that
 * whatever the codec throws lands in the test.
 */
export class HandSocket extends Duplex {
  written = '';
  #waiting: Buffer[] = [];

  constructor() {
    super({ allowHalfOpen: true });
    this.on('error', () => {});
  }

  get socket(): Socket {
    return this as unknown as Socket;
  }

  feed(bytes: Buffer): void {
    if (this.destroyed) return;
    if (this.isPaused()) this.#waiting.push(bytes);
    else this.emit('data', bytes);
  }

  /** The peer has nothing more to say. */
  feedEnd(): void {
    if (!this.destroyed) this.push(null);
  }

  override resume(): this {
    super.resume();
    process.nextTick(() => {
      while (!this.isPaused() && this.#waiting.length > 0) this.emit('data', this.#waiting.shift());
    });
    return this;
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.written += chunk.toString('latin1');
    done();
  }

  resetAndDestroy(): this {
    return this.destroy();
  }

  destroySoon(): void {
    this.destroy();
  }
}
