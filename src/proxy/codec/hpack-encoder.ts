import { STATIC_TABLE } from './hpack-static.ts';

const STATIC = STATIC_TABLE.length;
const STATIC_NAMES = new Map<string, number>();
/** By name, then by value: a key of both would have to be built, and hashed, for each lookup. */
const STATIC_FIELDS = new Map<string, Map<string, number>>();
STATIC_TABLE.forEach(([name, value], i) => {
  if (!STATIC_NAMES.has(name)) STATIC_NAMES.set(name, i + 1);
  if (value === '') return;
  const values = STATIC_FIELDS.get(name);
  if (values === undefined) STATIC_FIELDS.set(name, new Map([[value, i + 1]]));
  else values.set(value, i + 1);
});

/** Fields that hardly ever say the same twice: indexing them would only push out those that do. */
const FLEETING = new Set(
  ':path content-length date etag if-modified-since if-none-match last-modified location traceparent x-request-id'.split(
    ' ',
  ),
);

/** Secrets: never indexed, by nobody on the way (RFC 7541 7.1.3). */
const SECRET = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie']);

const MAX_TABLE_BYTES = 4096;

/**
 * Encoder of one direction of one HTTP/2 connection (RFC 7541). Literals go without Huffman coding: between neighbours
 * bytes are cheaper than the time it takes.
 */
export class HpackEncoder {
  /** Changes with the table: a block that was encoded before is right again only while this is the same. */
  version = 0;
  /** By name: numbers of insertions; newest = `#inserted`. */
  readonly #names = new Map<string, Indexed>();
  /** Names and values in the order of insertion, from `#evicted` on. */
  #table: string[] = [];
  #first = 0;
  #evicted = 0;
  #inserted = 0;
  #bytes = 0;
  #maxBytes = MAX_TABLE_BYTES;
  /** A smaller table that the next block must announce. */
  #announce = -1;
  /** The smallest size since the last block: RFC 7541 4.2 wants it announced as well. */
  #announceMin = -1;
  #out = Buffer.allocUnsafe(4096);
  #at = 0;

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. */
  setMaxTable(bytes: number): void {
    const max = Math.min(bytes, MAX_TABLE_BYTES);
    if (max === this.#maxBytes) return;
    this.#maxBytes = max;
    this.version++;
    this.#announceMin = this.#announce === -1 ? max : Math.min(this.#announceMin, max);
    this.#announce = max;
    this.#evict(0);
  }

  /** A header block of its own memory. @param fields name, value, name, value... */
  encode(fields: readonly string[]): Buffer {
    this.#at = 0;
    if (this.#announce >= 0) {
      this.#room(8);
      if (this.#announceMin < this.#announce) this.#integer(0x20, 0x1f, this.#announceMin);
      this.#integer(0x20, 0x1f, this.#announce);
      this.#announce = -1;
      this.version++;
    }
    for (let i = 0; i < fields.length; i += 2) this.#field(fields[i]!, fields[i + 1]!);
    return Buffer.from(this.#out.subarray(0, this.#at));
  }

  #field(name: string, value: string): void {
    this.#room(name.length + value.length + 16);
    const known = this.#names.get(name);
    const full = STATIC_FIELDS.get(name)?.get(value) ?? this.#index(known?.values.get(value));
    if (full !== undefined) return this.#integer(0x80, 0x7f, full);
    const index = STATIC_NAMES.get(name) ?? this.#index(known?.newest) ?? 0;
    const secret = SECRET.has(name);
    if (secret || FLEETING.has(name) || value.length > 512) this.#integer(secret ? 0x10 : 0, 0x0f, index);
    else {
      this.#integer(0x40, 0x3f, index);
      this.#insert(name, value);
    }
    if (index === 0) this.#string(name);
    this.#string(value);
  }

  #index(insertion: number | undefined): number | undefined {
    if (insertion === undefined || insertion <= this.#evicted) return undefined;
    return STATIC + 1 + this.#inserted - insertion;
  }

  #integer(prefix: number, mask: number, value: number): void {
    if (value < mask) {
      this.#out[this.#at++] = prefix | value;
      return;
    }
    this.#out[this.#at++] = prefix | mask;
    let rest = value - mask;
    for (; rest >= 128; rest >>>= 7) this.#out[this.#at++] = 0x80 | (rest & 0x7f);
    this.#out[this.#at++] = rest;
  }

  #string(text: string): void {
    this.#integer(0, 0x7f, text.length);
    this.#at += this.#out.write(text, this.#at, 'latin1');
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#out.length) return;
    const larger = Buffer.allocUnsafe((this.#at + bytes) * 2);
    larger.set(this.#out.subarray(0, this.#at));
    this.#out = larger;
  }

  #insert(name: string, value: string): void {
    const bytes = name.length + value.length + 32;
    this.version++;
    this.#evict(bytes);
    if (bytes > this.#maxBytes) return;
    this.#table.push(name, value);
    this.#bytes += bytes;
    this.#inserted++;
    const known = this.#names.get(name);
    if (known === undefined) {
      this.#names.set(name, { newest: this.#inserted, values: new Map([[value, this.#inserted]]) });
    } else {
      known.newest = this.#inserted;
      known.values.set(value, this.#inserted);
    }
  }

  #evict(room: number): void {
    while (this.#bytes > 0 && this.#bytes + room > this.#maxBytes) {
      const name = this.#table[this.#first]!;
      const value = this.#table[this.#first + 1]!;
      this.#bytes -= name.length + value.length + 32;
      this.#evicted++;
      this.version++;
      const known = this.#names.get(name);
      if (known?.values.get(value) === this.#evicted) known.values.delete(value);
      if (known?.newest === this.#evicted) this.#names.delete(name);
      this.#first += 2;
    }
    if (this.#first < 512) return;
    this.#table = this.#table.slice(this.#first);
    this.#first = 0;
  }
}

/** What the table holds of one name. */
interface Indexed {
  newest: number;
  readonly values: Map<string, number>;
}
