import { REASONS, type ReasonCode } from '../mesh/reasons.ts';

/** Something that ended one exchange. `code` decides the reply (`mesh/reasons.ts`); `cause` is for the log. */
export class ProxyError extends Error {
  readonly code: ReasonCode;
  /** It was only the connection: one that died while it was idle, or whose server left the request behind. Another one will do. */
  readonly stale: boolean;

  constructor(code: ReasonCode, message: string, options?: { readonly cause?: unknown; readonly stale?: boolean }) {
    // It answers strangers, a thousand times a second if they like; its code says where it comes from, not a stack
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(message, options);
    Error.stackTraceLimit = stackTraceLimit;
    this.code = code;
    this.stale = options?.stale ?? false;
  }

  get status(): number {
    return REASONS[this.code].status;
  }

  get retryable(): boolean {
    return this.stale || REASONS[this.code].retryable;
  }
}
