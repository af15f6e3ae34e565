import type { HpackEncoder } from './hpack-encoder.ts';
import { isWellFormed, type SectionKind } from './http2-fields.ts';
import { fieldsOfRequest, fieldsOfResponse } from './http2-head.ts';
import { Recent } from './recent.ts';
import type { Headers, RequestHead, ResponseHead } from './stream.ts';

/** Lists that are remembered: of routes that are busy now. */
const MAX_KEPT = 128;
const NOTHING = Buffer.alloc(0);

/** A block that was written before. It is right again while the encoder's table is what it was. */
interface Written {
  readonly block: Buffer;
  readonly version: number;
}

interface WrittenRequest extends Written {
  readonly head: RequestHead;
  readonly end: boolean;
}

interface WrittenResponse extends Written {
  readonly head: ResponseHead;
  readonly bodiless: boolean;
  readonly tunnel: boolean;
}

/**
 * Writes the header blocks of one HTTP/2 connection. A head whose list came before, with the table unchanged since, is the block of
 * then: once everything in it is indexed, that is a dozen bytes to copy.
 */
export class Http2HeadWriter {
  readonly #encoder: HpackEncoder;
  readonly #requests = new Recent<Headers, WrittenRequest>(MAX_KEPT);
  readonly #responses = new Recent<Headers, WrittenResponse>(MAX_KEPT);
  readonly #lists = new Recent<Headers, Written>(MAX_KEPT);
  /** The mesh's own fields were found to be fine. */
  readonly #checked = new WeakSet<Headers>();

  constructor(encoder: HpackEncoder) {
    this.#encoder = encoder;
  }

  /** The block of a request without its `hop` fields, which are `list` and come next. Undefined when a field may not be written. */
  request(head: RequestHead, end: boolean): Buffer | undefined {
    if (head.hop !== undefined && !this.#isFine(head.hop)) return undefined; // known before the table changes
    if (head.recurring !== true) return this.#encode(fieldsOfRequest(head, end), 'request');
    const known = this.#requests.get(head.headers);
    if (known !== undefined && known.version === this.#encoder.version && known.end === end && same(known.head, head)) {
      return known.block;
    }
    const { version } = this.#encoder;
    const block = this.#encode(fieldsOfRequest(head, end), 'request');
    if (block !== undefined && version === this.#encoder.version) {
      this.#requests.set(head.headers, { head: { ...head }, end, block, version });
    }
    return block;
  }

  /** The block of a response. Undefined when a field may not be written. */
  response(head: ResponseHead, bodiless: boolean, tunnel: boolean): Buffer | undefined {
    if (head.recurring !== true) return this.#encode(fieldsOfResponse(head, bodiless, tunnel), 'response');
    const known = this.#responses.get(head.headers);
    if (
      known !== undefined &&
      known.version === this.#encoder.version &&
      known.head.status === head.status &&
      known.head.contentLength === head.contentLength &&
      known.bodiless === bodiless &&
      known.tunnel === tunnel
    ) {
      return known.block;
    }
    const { version } = this.#encoder;
    const block = this.#encode(fieldsOfResponse(head, bodiless, tunnel), 'response');
    if (block !== undefined && version === this.#encoder.version) {
      this.#responses.set(head.headers, { head: { ...head }, bodiless, tunnel, block, version });
    }
    return block;
  }

  /** The block of a list without pseudo-fields: trailers, or what follows a request. Undefined when a field may not be written. */
  list(fields: Headers | undefined): Buffer | undefined {
    if (fields === undefined) return NOTHING;
    const known = this.#lists.get(fields);
    if (known !== undefined && known.version === this.#encoder.version) return known.block;
    const { version } = this.#encoder;
    const block = this.#encode(fields, 'trailers');
    if (block !== undefined && version === this.#encoder.version) this.#lists.set(fields, { block, version });
    return block;
  }

  #isFine(hop: Headers): boolean {
    if (this.#checked.has(hop)) return true;
    if (!isWellFormed(hop, 'trailers')) return false;
    this.#checked.add(hop);
    return true;
  }

  #encode(fields: readonly string[], kind: SectionKind): Buffer | undefined {
    return isWellFormed(fields, kind) ? this.#encoder.encode(fields) : undefined;
  }
}

/** Whether two heads with the same list are written alike. */
function same(a: RequestHead, b: RequestHead): boolean {
  return (
    a.path === b.path &&
    a.method === b.method &&
    a.authority === b.authority &&
    a.contentLength === b.contentLength &&
    a.scheme === b.scheme &&
    a.protocol === b.protocol
  );
}
