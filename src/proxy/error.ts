import { REASONS, type ReasonCode } from '../mesh/reasons.ts';

/** Something that ended one exchange. `code` decides the reply (`mesh/reasons.ts`); `cause` is for the log. */
export class ProxyError extends Error {
  readonly code: ReasonCode;

  constructor(code: ReasonCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }

  get status(): number {
    return REASONS[this.code].status;
  }

  get retryable(): boolean {
    return REASONS[this.code].retryable;
  }
}
