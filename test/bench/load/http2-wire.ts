// Just enough HTTP/2 for a cheap client and a cheap server of the bench; not a codec, and not Weft's: a mistake of Weft's
// must not be made on both sides.

export const DATA = 0;
export const HEADERS = 1;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PING = 6;
export const GOAWAY = 7;
export const WINDOW_UPDATE = 8;
export const END_STREAM = 1;
export const ACK = 1;
export const END_HEADERS = 4;

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
/** The window of a stream, and what the connection's is kept above. */
export const WINDOW = 1 << 24;
const TABLE_SIZE_SETTING = 1;
const STREAMS_SETTING = 3;
const WINDOW_SETTING = 4;
const DEFAULT_TABLE_SIZE = 4096;
const FIRST_DYNAMIC = 62;

export function frame(type: number, flags: number, streamId: number, payload: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(9 + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(streamId, 5);
  payload.copy(bytes, 9);
  return bytes;
}

/** SETTINGS with a large window and many streams, and the connection's window made as large. */
export function hello(): Buffer {
  const settings = Buffer.alloc(12);
  settings.writeUInt16BE(WINDOW_SETTING, 0);
  settings.writeUInt32BE(WINDOW, 2);
  settings.writeUInt16BE(STREAMS_SETTING, 6);
  settings.writeUInt32BE(1000, 8);
  return Buffer.concat([frame(SETTINGS, 0, 0, settings), windowUpdate(WINDOW)]);
}

export function windowUpdate(bytes: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes);
  return frame(WINDOW_UPDATE, 0, 0, payload);
}

/** Whether a peer's SETTINGS leave room for the small dynamic table that `HeaderEncoder` wants. */
export function allowsTable(settings: Buffer): boolean {
  for (let i = 0; i + 6 <= settings.length; i += 6) {
    if (settings.readUInt16BE(i) === TABLE_SIZE_SETTING) return settings.readUInt32BE(i + 2) >= DEFAULT_TABLE_SIZE;
  }
  return true;
}

/** A header list that is sent again and again. `fixed` are indices of the static table (RFC 7541 appendix A). */
export interface HeaderList {
  readonly fixed: readonly number[];
  readonly fields: readonly (readonly [name: string, value: string])[];
}

/** Encodes header lists of one connection: each field in full once, then as its index, as real clients and servers do. */
export class HeaderEncoder {
  /** Fields in the dynamic table, by how many were there before. They are few: none is ever evicted. */
  readonly #table = new Map<string, number>();
  readonly #encoded = new Map<HeaderList, { readonly tableSize: number; readonly block: Buffer }>();
  /** Whether the far end keeps a dynamic table for us. */
  tableAllowed = true;

  encode(list: HeaderList): Buffer {
    const known = this.#encoded.get(list);
    const sizeBefore = this.#table.size;
    if (known?.tableSize === sizeBefore) return known.block;
    const fixed = Buffer.from(list.fixed.map((index) => 0x80 | index));
    const block = this.tableAllowed
      ? Buffer.concat([fixed, ...list.fields.map(([name, value]) => this.#indexed(name, value))])
      : Buffer.concat([Buffer.from([0x20]), fixed, ...list.fields.map(([name, value]) => literal(0, name, value))]);
    if (this.#table.size === sizeBefore) this.#encoded.set(list, { tableSize: sizeBefore, block });
    return block;
  }

  #indexed(name: string, value: string): Buffer {
    const key = `${name}: ${value}`;
    const position = this.#table.get(key);
    if (position !== undefined) return Buffer.from([0x80 | (FIRST_DYNAMIC + this.#table.size - 1 - position)]);
    this.#table.set(key, this.#table.size);
    return literal(0x40, name, value);
  }
}

function literal(kind: number, name: string, value: string): Buffer {
  const text = (of: string) => Buffer.from(String.fromCharCode(of.length) + of, 'latin1');
  return Buffer.concat([Buffer.from([kind]), text(name), text(value)]);
}

/** Whether a block of response fields begins with `:status: 200`, after changes of the table's size. */
export function isStatus200(block: Buffer, from: number): boolean {
  while ((block[from]! & 0xe0) === 0x20) {
    if ((block[from++]! & 0x1f) === 0x1f) while ((block[from++]! & 0x80) !== 0);
  }
  return block[from] === 0x88;
}

/** Gets the bytes that hold a frame's payload, and where it begins and ends. */
export type OnFrame = (type: number, flags: number, streamId: number, bytes: Buffer, from: number, to: number) => void;

/** Cuts what arrives into frames. */
export class FrameReader {
  readonly #onFrame: OnFrame;
  #rest: Buffer | undefined;

  constructor(onFrame: OnFrame) {
    this.#onFrame = onFrame;
  }

  read(chunk: Buffer): void {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (at + 9 <= bytes.length) {
      const end = at + 9 + ((bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!);
      if (end > bytes.length) break;
      this.#onFrame(bytes[at + 3]!, bytes[at + 4]!, bytes.readUInt32BE(at + 5) & 0x7fffffff, bytes, at + 9, end);
      at = end;
    }
    this.#rest = at === bytes.length ? undefined : bytes.subarray(at);
  }
}

/** Collects what is sent during one turn of the event loop into one write. */
export class TurnWriter {
  readonly #write: (bytes: Buffer) => void;
  #parts: Buffer[] = [];

  constructor(write: (bytes: Buffer) => void) {
    this.#write = write;
  }

  send(bytes: Buffer): void {
    if (this.#parts.push(bytes) === 1) setImmediate(() => this.#flush());
  }

  #flush(): void {
    const parts = this.#parts;
    this.#parts = [];
    this.#write(parts.length === 1 ? parts[0]! : Buffer.concat(parts));
  }
}
