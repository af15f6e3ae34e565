import type { HeldBytes } from './held-bytes.ts';
import { FieldBlock, HEAD_END } from './http1-fields.ts';
import { beginsWith, isKeepable, type Http1Memo, type Known, type ParsedResponse } from './http1-memo.ts';
import { brokenStart, readResponseHead, type AskedFor } from './http1-response.ts';
import type { CodecLimits } from './stream.ts';

/** Finds the response heads of one connection in its bytes. What was read before is not read again. */
export class ResponseReader {
  /** Why the head is none that `read` could return; the connection is of no more use then. */
  error: string | undefined = undefined;
  readonly #limits: CodecLimits;
  readonly #memo: Http1Memo;
  readonly #fields = new FieldBlock();
  #last: Known<ParsedResponse> | undefined = undefined;
  /** So many of the bytes are known to hold no end of a head. */
  #scanned = 0;

  constructor(limits: CodecLimits, memo: Http1Memo) {
    this.#limits = limits;
    this.#memo = memo;
  }

  /** Takes the head at the beginning of `held`. @returns undefined: it is not complete yet, or there is an `error` */
  read(held: HeldBytes, asked: AskedFor): ParsedResponse | undefined {
    const { bytes } = held;
    const ordinary = !asked.headRequest && asked.tunnel === undefined;
    const last = this.#last;
    if (last !== undefined && ordinary && this.#scanned === 0 && beginsWith(bytes, last.bytes)) {
      held.drop(last.bytes.length);
      return last.parsed;
    }
    const end = bytes.indexOf(HEAD_END, Math.max(0, this.#scanned - 3));
    if (end === -1 || end + 4 > this.#limits.maxHeadBytes) return this.#incomplete(bytes, end);
    const text = bytes.toString('latin1', 0, end + 2);
    const known = ordinary ? this.#memo.responses.get(text) : undefined;
    const parsed = known ?? this.#parse(text, asked, ordinary);
    if (parsed === undefined) return undefined;
    held.drop(end + 4);
    this.#scanned = 0;
    if (parsed.head.recurring === true) this.#last = { bytes: Buffer.from(bytes.subarray(0, end + 4)), parsed };
    return parsed;
  }

  #parse(text: string, asked: AskedFor, ordinary: boolean): ParsedResponse | undefined {
    const frame = { length: 0, persistent: true };
    const head = readResponseHead(text, this.#fields, this.#limits, asked, frame);
    if (typeof head === 'string') return void (this.error = head);
    const parsed = { head, length: frame.length, persistent: frame.persistent };
    if (ordinary && head.status >= 200 && isKeepable(text.length)) {
      head.recurring = true;
      this.#memo.responses.set(text, parsed);
    }
    return parsed;
  }

  /** @param end where the head ends, beyond the limit; -1: not among the bytes that have come */
  #incomplete(bytes: Buffer, end: number): undefined {
    if (end === -1 && brokenStart(bytes, this.#scanned, bytes.length)) this.error = 'the response head is broken';
    else if (end !== -1 || bytes.length >= this.#limits.maxHeadBytes) this.error = 'the response head is too large';
    else this.#scanned = bytes.length;
  }
}
