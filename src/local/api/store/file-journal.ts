import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Logger } from '../../../base/log.ts';
import { ApiError } from '../../api-error.ts';
import type { Journal, JournalRecord, Store } from './store.ts';

export interface FileJournalOptions {
  /** A folder of its own; made when missing. */
  readonly folder: string;
  readonly log: Logger;
  /** Logs smaller than this are not compacted. */
  readonly minCompactBytes?: number;
}

const NAME = 'objects.log';
const MIN_COMPACT_BYTES = 8 * 1024 * 1024;

interface Pending {
  readonly line: Buffer;
  readonly done: (error?: Error) => void;
}

/**
 * An append-only log of writes: one line per write, `crc32 json`. A write is acknowledged after its line is on the disk
 * (fdatasync); writes that come meanwhile share the next one. A torn last line, left by a crash, was never acknowledged
 * and is cut off. The log is rewritten when it has grown to twice what it was after the last time.
 */
export class FileJournal implements Journal {
  readonly #folder: string;
  readonly #log: Logger;
  readonly #minCompactBytes: number;
  #file: FileHandle;
  #size: number;
  #compactAt: number;
  #queue: Pending[] = [];
  #writing: Promise<void> | undefined;
  #broken: ApiError | undefined;
  #store: Store | undefined;

  private constructor(options: FileJournalOptions, file: FileHandle, size: number) {
    this.#folder = options.folder;
    this.#log = options.log;
    this.#minCompactBytes = options.minCompactBytes ?? MIN_COMPACT_BYTES;
    this.#file = file;
    this.#size = size;
    this.#compactAt = Math.max(this.#minCompactBytes, size * 2);
  }

  /** Opens the log and reads what is in it. @throws when a line in its middle is damaged: nothing may be left out */
  static async open(options: FileJournalOptions): Promise<{ journal: FileJournal; records: JournalRecord[] }> {
    await mkdir(options.folder, { recursive: true, mode: 0o700 });
    await rm(join(options.folder, `${NAME}.new`), { force: true }); // a compaction that did not come to its end
    const path = join(options.folder, NAME);
    const file = await open(path, 'a+', 0o600);
    try {
      const bytes = await file.readFile();
      const { records, size } = parseLog(bytes, path);
      if (size < bytes.length) {
        const lost = bytes.length - size;
        options.log.warn('the last write before a crash was cut off; it had not been acknowledged', {
          path,
          bytes: lost,
        });
        await file.truncate(size);
        await file.datasync();
      }
      return { journal: new FileJournal(options, file, size), records };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Where compaction takes the objects from. */
  serve(store: Store): void {
    this.#store = store;
  }

  /** False after a failure that only a restart can mend. */
  get healthy(): boolean {
    return this.#broken === undefined;
  }

  append(record: JournalRecord, done: (error?: Error) => void): void {
    if (this.#broken !== undefined) return done(this.#broken);
    this.#queue.push({ line: lineOf(record), done });
    this.#writing ??= this.#drain();
  }

  /** Waits for what is being written, then closes the file. */
  async close(): Promise<void> {
    await this.#writing;
    this.#broken ??= new ApiError(503, 'ServiceUnavailable', 'the API server is stopping');
    await this.#file.close();
  }

  async #drain(): Promise<void> {
    await Promise.resolve(); // lets the writers of this turn join the first batch
    while (this.#queue.length > 0) {
      const batch = this.#queue;
      this.#queue = [];
      try {
        await this.#write(Buffer.concat(batch.map((p) => p.line)));
      } catch (error) {
        const refusal = await this.#recover(error);
        // What was queued meanwhile was worked out from what now never happened.
        const lost = [...batch, ...this.#queue];
        this.#queue = [];
        for (const { done } of lost) done(refusal);
        continue;
      }
      for (const { done } of batch) done();
      if (this.#size >= this.#compactAt) await this.#compact();
    }
    this.#writing = undefined;
  }

  async #write(bytes: Buffer): Promise<void> {
    let written = 0;
    while (written < bytes.length) {
      const { bytesWritten } = await this.#file.write(bytes, written, bytes.length - written, null);
      written += bytesWritten;
    }
    try {
      await this.#file.datasync();
    } catch (error) {
      // After a failed sync nobody knows what is on the disk: a later, successful one would prove nothing.
      this.#broken = new ApiError(
        500,
        'InternalError',
        `the data folder ${this.#folder} could not be written (${String(error)}): restart the server`,
      );
      throw error;
    }
    this.#size += bytes.length;
  }

  /** Cuts off what was written in part; says what the writers are told. */
  async #recover(error: unknown): Promise<ApiError> {
    this.#log.error('a write could not be stored', { folder: this.#folder, error: String(error) });
    if (this.#broken !== undefined) return this.#broken;
    try {
      await this.#file.truncate(this.#size);
    } catch (second) {
      this.#broken = new ApiError(
        500,
        'InternalError',
        `the data folder ${this.#folder} could not be written (${String(second)}): restart the server`,
      );
      return this.#broken;
    }
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (FULL.has(code)) {
      return new ApiError(
        507,
        'InsufficientStorage',
        `nothing was stored: the disk of the data folder ${this.#folder} is full (${code}); free some space and try again`,
      );
    }
    return new ApiError(
      500,
      'InternalError',
      `nothing was stored: writing to the data folder ${this.#folder} failed (${String(error)})`,
    );
  }

  /** Writes what is stored now into a new file and puts it in the old one's place. */
  async #compact(): Promise<void> {
    const store = this.#store;
    if (store === undefined) return;
    const path = join(this.#folder, NAME);
    let fresh: FileHandle | undefined;
    try {
      fresh = await open(`${path}.new`, 'w', 0o600);
      let size = 0;
      const put = async (lines: Buffer[]) => {
        const bytes = Buffer.concat(lines);
        await fresh?.writeFile(bytes);
        size += bytes.length;
      };
      let lines: Buffer[] = [lineOf({ revision: store.revision, resource: '', namespace: '', name: '' })];
      for (const record of [...store.snapshot()]) {
        lines.push(lineOf(record));
        if (lines.length >= 500) await put(lines.splice(0));
      }
      await put(lines);
      lines = [];
      await fresh.sync();
      await fresh.close();
      const next = await open(`${path}.new`, 'a+', 0o600);
      await rename(`${path}.new`, path);
      await syncFolder(this.#folder);
      await this.#file.close();
      this.#file = next;
      this.#log.info('the log was compacted', { before: this.#size, after: size });
      this.#size = size;
      this.#compactAt = Math.max(this.#minCompactBytes, size * 2);
    } catch (error) {
      // The old log is whole: go on with it, and try again when it has grown further.
      this.#log.warn('the log could not be compacted', { error: String(error) });
      await fresh?.close().catch(() => undefined);
      await rm(`${path}.new`, { force: true });
      this.#compactAt = this.#size + this.#minCompactBytes;
    }
  }
}

const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

function lineOf(record: JournalRecord): Buffer {
  const json = JSON.stringify(record);
  return Buffer.from(`${crc32(json).toString(16).padStart(8, '0')} ${json}\n`);
}

/** The records of a log, and how many of its bytes are good. */
function parseLog(bytes: Buffer, path: string): { records: JournalRecord[]; size: number } {
  const records: JournalRecord[] = [];
  let at = 0;
  while (at < bytes.length) {
    const end = bytes.indexOf(10, at);
    const record = end < 0 ? undefined : parseLine(bytes.toString('utf8', at, end));
    if (record === undefined) {
      if (isTail(bytes, end)) break;
      throw new Error(`${path} is damaged at byte ${at}: restore it from a copy, or move it away to start empty`);
    }
    records.push(record);
    at = end + 1;
  }
  return { records, size: at };
}

/** A damaged line is a torn tail when no good line follows; a good one after it means that something else happened. */
function isTail(bytes: Buffer, end: number): boolean {
  for (let at = end < 0 ? bytes.length : end + 1; at < bytes.length;) {
    const next = bytes.indexOf(10, at);
    if (next < 0) return true;
    if (parseLine(bytes.toString('utf8', at, next)) !== undefined) return false;
    at = next + 1;
  }
  return true;
}

function parseLine(line: string): JournalRecord | undefined {
  const json = line.slice(9);
  if (line[8] !== ' ' || line.slice(0, 8) !== crc32(json).toString(16).padStart(8, '0')) return undefined;
  return JSON.parse(json) as JournalRecord;
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
