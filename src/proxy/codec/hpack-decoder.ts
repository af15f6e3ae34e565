import { decodeHuffman } from './hpack-huffman.ts';
import { STATIC_TABLE } from './hpack-static.ts';

/** What we tell the peer in SETTINGS_HEADER_TABLE_SIZE: the protocol's default. */
export const DECODER_TABLE_BYTES = 4096;

const STATIC_NAMES = STATIC_TABLE.map(([name]) => name);
const STATIC_VALUES = STATIC_TABLE.map(([, value]) => value);
const STATIC = STATIC_TABLE.length;

export interface HpackLimits {
  /** Sum of names, values and 32 per field (RFC 9113 6.5.2), counted while decoding: an HPACK bomb never unfolds. */
  readonly maxListBytes: number;
  readonly maxFields: number;
}

/** `broken`: the connection's compression state is lost. `too large`: the list was cut, the state is still good. */
export type HpackError = 'broken' | 'too large';

/** Decoder of one direction of one HTTP/2 connection (RFC 7541). Strings are latin1; names and values are not judged here. */
export class HpackDecoder {
  /** Newest last; RFC index 62 is the last element. */
  #names: string[] = [];
  #values: string[] = [];
  #first = 0;
  #bytes = 0;
  #maxBytes = DECODER_TABLE_BYTES;
  #scratch = Buffer.allocUnsafe(1024);
  #at = 0;
  #failed = false;

  /** Decodes a whole header block into `out` (name, value, name, value...). */
  decode(block: Buffer, limits: HpackLimits, out: string[]): HpackError | undefined {
    this.#at = 0;
    this.#failed = false;
    let listBytes = 0;
    let updates = 0;
    let large = false;
    while (this.#at < block.length) {
      const c = block[this.#at]!;
      if ((c & 0xe0) === 0x20) {
        // RFC 7541 4.2: at the beginning only, and at most two
        if (out.length > 0 || large || ++updates > 2 || !this.#resize(this.#integer(block, 0x1f))) return 'broken';
        continue;
      }
      const indexed = (c & 0x80) !== 0;
      const keep = (c & 0xc0) === 0x40;
      const index = this.#integer(block, indexed ? 0x7f : keep ? 0x3f : 0x0f);
      if (this.#failed || (indexed && index === 0)) return 'broken';
      const name = index === 0 ? this.#string(block) : this.#name(index);
      const value = indexed ? this.#value(index) : this.#string(block);
      if (this.#failed || name === undefined || value === undefined) return 'broken';
      if (keep) this.#insert(name, value);
      listBytes += name.length + value.length + 32;
      large ||= listBytes > limits.maxListBytes || out.length >= 2 * limits.maxFields;
      if (!large) out.push(name, value);
    }
    return this.#failed ? 'broken' : large ? 'too large' : undefined;
  }

  #name(index: number): string | undefined {
    return index <= STATIC ? STATIC_NAMES[index - 1] : this.#names[this.#slot(index)];
  }

  #value(index: number): string | undefined {
    return index <= STATIC ? STATIC_VALUES[index - 1] : this.#values[this.#slot(index)];
  }

  #slot(index: number): number {
    const slot = this.#names.length - (index - STATIC);
    return slot >= this.#first ? slot : -1;
  }

  /** RFC 7541 5.1, at most 2^28: nothing that we accept is longer. */
  #integer(block: Buffer, mask: number): number {
    let value = block[this.#at++]! & mask;
    if (value < mask) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      const c = block[this.#at++];
      if (c === undefined) break;
      value += (c & 0x7f) << shift;
      if ((c & 0x80) === 0) return value;
    }
    this.#failed = true;
    return 0;
  }

  /** RFC 7541 5.2. */
  #string(block: Buffer): string | undefined {
    const first = block[this.#at];
    if (first === undefined || this.#failed) return undefined;
    const length = this.#integer(block, 0x7f);
    const start = this.#at;
    const end = start + length;
    if (this.#failed || end > block.length) return undefined;
    this.#at = end;
    if ((first & 0x80) === 0) return block.toString('latin1', start, end);
    if (this.#scratch.length < length * 2) this.#scratch = Buffer.allocUnsafe(length * 2); // 5 bits a byte at best
    return decodeHuffman(block, start, end, this.#scratch);
  }

  #resize(maxBytes: number): boolean {
    if (this.#failed || maxBytes > DECODER_TABLE_BYTES) return false;
    this.#maxBytes = maxBytes;
    this.#evict(0);
    return true;
  }

  #insert(name: string, value: string): void {
    const bytes = name.length + value.length + 32;
    this.#evict(bytes);
    if (bytes > this.#maxBytes) return; // RFC 7541 4.4: that empties the table
    this.#names.push(name);
    this.#values.push(value);
    this.#bytes += bytes;
  }

  #evict(room: number): void {
    while (this.#bytes > 0 && this.#bytes + room > this.#maxBytes) {
      this.#bytes -= this.#names[this.#first]!.length + this.#values[this.#first]!.length + 32;
      this.#names[this.#first] = this.#values[this.#first] = ''; // lets go of the text
      this.#first++;
    }
    if (this.#first < 256) return;
    this.#names = this.#names.slice(this.#first);
    this.#values = this.#values.slice(this.#first);
    this.#first = 0;
  }
}
