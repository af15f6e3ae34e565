import { closeSync, existsSync, fstatSync, openSync, readSync, renameSync, writeSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';

/** Two files of this size hold what one run of a container wrote last. */
const MAX_BYTES = 5 * 1024 * 1024;
/** Longer lines are stored in pieces, as a container runtime does. */
const MAX_LINE = 16 * 1024;

/**
 * What one run of a container writes, line by line with the time: `2026-01-01T00:00:00.000Z F text`, `P` for a piece of
 * a line that goes on. Written synchronously, so that a reader sees all that was written before it looked.
 */
export class LogFile {
  readonly #path: string;
  readonly #now: () => number;
  readonly #maxBytes: number;
  readonly #wakes = new Set<() => void>();
  #fd: number;
  #size = 0;
  #closed = false;
  #failed: string | undefined;

  constructor(path: string, now: () => number, maxBytes = MAX_BYTES) {
    this.#path = path;
    this.#now = now;
    this.#maxBytes = maxBytes;
    this.#fd = openSync(path, 'w', 0o600);
  }

  /** Why lines were lost, when they were (a full disk); the container goes on. */
  get failed(): string | undefined {
    return this.#failed;
  }

  /** A writer for one of the container's streams; each keeps its own unfinished line. */
  writer(): { write(chunk: Buffer): void; end(): void } {
    const decoder = new StringDecoder('utf8');
    let rest = '';
    return {
      write: (chunk) => {
        const lines = (rest + decoder.write(chunk)).split('\n');
        rest = lines.pop() ?? '';
        this.#append(lines, 'F');
        while (rest.length >= MAX_LINE) {
          this.#append([rest.slice(0, MAX_LINE)], 'P');
          rest = rest.slice(MAX_LINE);
        }
      },
      end: () => {
        rest += decoder.end();
        if (rest !== '') this.#append([rest], 'P');
        rest = '';
      },
    };
  }

  #append(lines: readonly string[], tag: 'F' | 'P'): void {
    if (lines.length === 0 || this.#closed) return;
    const time = new Date(this.#now()).toISOString();
    const bytes = Buffer.from(lines.map((line) => `${time} ${tag} ${line}\n`).join(''));
    try {
      if (this.#size > 0 && this.#size + bytes.length > this.#maxBytes) this.#rotate();
      writeSync(this.#fd, bytes);
      this.#size += bytes.length;
    } catch (error) {
      this.#failed = String(error);
    }
    for (const wake of [...this.#wakes]) wake();
  }

  #rotate(): void {
    closeSync(this.#fd);
    renameSync(this.#path, `${this.#path}.1`);
    this.#fd = openSync(this.#path, 'w', 0o600);
    this.#size = 0;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#fd);
    for (const wake of [...this.#wakes]) wake();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** About the last `bytes` of what is stored, times included. */
  end(bytes: number): string {
    const fd = openSync(this.#path, 'r');
    try {
      const { size } = fstatSync(fd);
      const tail = Buffer.alloc(Math.min(bytes, size));
      readSync(fd, tail, 0, tail.length, size - tail.length);
      return tail.toString('utf8');
    } finally {
      closeSync(fd);
    }
  }

  /** Calls back after each write and at the end. */
  subscribe(wake: () => void): () => void {
    this.#wakes.add(wake);
    return () => this.#wakes.delete(wake);
  }

  /** The files that hold the log now, oldest first. */
  get files(): readonly string[] {
    const older = `${this.#path}.1`;
    return existsSync(older) ? [older, this.#path] : [this.#path];
  }

  get path(): string {
    return this.#path;
  }
}

export interface LogLine {
  readonly time: string;
  /** With its line end, unless it is a piece. */
  readonly text: string;
}

/** Reads stored lines from a file as it grows. Keeps the file open: a rotation does not disturb it. */
export class LogReader {
  readonly #fd: number;
  #offset = 0;
  #rest: Buffer = Buffer.alloc(0);

  constructor(path: string) {
    this.#fd = openSync(path, 'r');
  }

  get inode(): number {
    return fstatSync(this.#fd).ino;
  }

  /** The next complete lines, at most about 64 KiB of them; none at the present end of the file. */
  next(): LogLine[] {
    const chunk = Buffer.allocUnsafe(64 * 1024);
    const n = readSync(this.#fd, chunk, 0, chunk.length, this.#offset);
    if (n === 0) return [];
    this.#offset += n;
    const bytes = Buffer.concat([this.#rest, chunk.subarray(0, n)]);
    const end = bytes.lastIndexOf(10) + 1;
    this.#rest = bytes.subarray(end);
    const text = bytes.toString('utf8', 0, end);
    if (end === 0) return this.next();
    return text.slice(0, -1).split('\n').map(parse);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

function parse(line: string): LogLine {
  const space = line.indexOf(' ');
  const tag = line[space + 1];
  return { time: line.slice(0, space), text: line.slice(space + 3) + (tag === 'P' ? '' : '\n') };
}
