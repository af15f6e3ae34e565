import { decodeHuffman } from './hpack-huffman.ts';
import { STATIC_TABLE } from './hpack-static.ts';
import { Section } from './http2-section.ts';
import { Recent } from './recent.ts';

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

/** Longer blocks are not remembered: they would fill the memory, and say something new each time. */
const MAX_KEPT_BYTES = 512;
const MAX_KEPT = 128;

/** A block that was decoded before, and the state of the table that it was decoded with. */
interface Known {
  readonly block: Uint8Array;
  readonly version: number;
  readonly section: Section;
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
  /** Changes with the table. */
  #version = 0;
  readonly #known = new Recent<number, Known>(MAX_KEPT);

  /**
   * The section that `bytes` hold from `start` to `end`; the very same object as before when the same bytes mean the same,
   * which is so as long as the table stays as it is. Limits must be the same in every call.
   */
  section(bytes: Buffer, start: number, end: number, limits: HpackLimits): Section | HpackError {
    if (end - start > MAX_KEPT_BYTES) return this.#decodeSection(bytes.subarray(start, end), limits);
    const hash = hashOf(bytes, start, end);
    const known = this.#known.get(hash);
    if (known !== undefined && known.version === this.#version && isSame(known.block, bytes, start, end)) {
      known.section.recurring = true;
      return known.section;
    }
    const version = this.#version;
    const block = bytes.subarray(start, end);
    const section = this.#decodeSection(block, limits);
    if (typeof section === 'object' && version === this.#version) {
      this.#known.set(hash, { block: new Uint8Array(block), version, section }); // a copy: the read it came with is larger
    }
    return section;
  }

  #decodeSection(block: Buffer, limits: HpackLimits): Section | HpackError {
    const fields: string[] = [];
    return this.decode(block, limits, fields) ?? new Section(fields);
  }

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
    this.#version++;
    this.#evict(0);
    return true;
  }

  #insert(name: string, value: string): void {
    const bytes = name.length + value.length + 32;
    this.#version++;
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

/** FNV-1a. */
function hashOf(bytes: Buffer, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash;
}

function isSame(block: Uint8Array, bytes: Buffer, start: number, end: number): boolean {
  if (block.length !== end - start) return false;
  for (let i = 0; i < block.length; i++) if (block[i] !== bytes[start + i]) return false;
  return true;
}
