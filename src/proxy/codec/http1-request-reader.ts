import type { ReasonCode } from '../../mesh/reasons.ts';
import type { HeldBytes } from './held-bytes.ts';
import { FieldBlock, HEAD_END } from './http1-fields.ts';
import { headProblem } from './http1-head-problem.ts';
import { beginsWith, isKeepable, type Http1Memo, type Known, type ParsedRequest } from './http1-memo.ts';
import { readRequestHead, type RequestRules } from './http1-request.ts';
import { brokenStart } from './http1-response.ts';

/** Why a head was refused. */
export interface HeadRefusal {
  readonly code: ReasonCode;
  readonly message: string;
}

/** Finds the request heads of one connection in its bytes. What was read before is not read again. */
export class RequestReader {
  /** Why the head is none that `read` could return; the connection is of no more use then. */
  refusal: HeadRefusal | undefined = undefined;
  readonly #rules: RequestRules;
  readonly #memo: Http1Memo;
  readonly #fields = new FieldBlock();
  #last: Known<ParsedRequest> | undefined = undefined;
  /** So many of the bytes are known to hold no end of a head. */
  #scanned = 0;

  constructor(rules: RequestRules, memo: Http1Memo) {
    this.#rules = rules;
    this.#memo = memo;
  }

  /** Whether a part of a head was seen. */
  get begun(): boolean {
    return this.#scanned > 0;
  }

  /** Takes the head at the beginning of `held`. @returns undefined: it is not complete yet, or there is a `refusal` */
  read(held: HeldBytes): ParsedRequest | undefined {
    const { bytes } = held;
    const last = this.#last;
    if (last !== undefined && this.#scanned === 0 && beginsWith(bytes, last.bytes)) {
      held.drop(last.bytes.length);
      return last.parsed;
    }
    const end = bytes.indexOf(HEAD_END, Math.max(0, this.#scanned - 3));
    if (end === -1 || end + 4 > this.#rules.limits.maxHeadBytes) return this.#incomplete(bytes, end);
    const text = bytes.toString('latin1', 0, end + 2);
    const parsed = this.#memo.requests.get(text) ?? this.#parse(text);
    if (typeof parsed === 'string') return this.#refuse(text, brokenStart(bytes, 0, end) ? 'BAD_REQUEST' : parsed);
    held.drop(end + 4);
    this.#scanned = 0;
    if (parsed.head.recurring === true) this.#last = { bytes: Buffer.from(bytes.subarray(0, end + 4)), parsed };
    return parsed;
  }

  #parse(text: string): ParsedRequest | ReasonCode {
    const fields = this.#fields;
    const head = readRequestHead(text, fields, this.#rules);
    if (typeof head === 'string') return head;
    const mayPersist = !fields.close && (head.version === '1.1' || fields.keepAlive);
    const parsed = { head, mayPersist, expects: fields.expect !== undefined };
    if (head.protocol === undefined && head.method !== 'CONNECT' && isKeepable(text.length)) {
      head.recurring = true;
      this.#memo.requests.set(text, parsed);
    }
    return parsed;
  }

  /** @param end where the head ends, beyond the limit; -1: not among the bytes that have come */
  #incomplete(bytes: Buffer, end: number): undefined {
    const { maxHeadBytes, maxTargetBytes } = this.#rules.limits;
    if (brokenStart(bytes, this.#scanned, Math.min(bytes.length, maxHeadBytes)))
      return this.#refuse(bytes.toString('latin1', 0, maxHeadBytes), 'BAD_REQUEST');
    if (end !== -1 || bytes.length >= maxHeadBytes) {
      const line = bytes.indexOf(0x0a);
      const code = line === -1 || line > maxTargetBytes ? 'URI_TOO_LONG' : 'HEAD_TOO_LARGE';
      this.refusal = { code, message: `the request head is larger than ${maxHeadBytes} bytes` };
    } else this.#scanned = bytes.length;
    return undefined;
  }

  #refuse(text: string, code: ReasonCode): undefined {
    this.refusal = { code, message: headProblem(text, code, this.#rules.limits) };
  }
}
