/** Every refusal of a proxy names one of these in `x-weft-reason`, in the access log and in a metric. */
export interface Reason {
  /** HTTP status of the refusal; raw TCP connections are reset instead. */
  readonly status: number;
  /** Who is at fault: the caller, the called, or Weft. */
  readonly source: 'downstream' | 'upstream' | 'internal';
  /** Whether the same request may be sent to another endpoint: nothing of it has reached an app. */
  readonly retryable: boolean;
}

export const REASONS = {
  ACCESS_DENIED: { status: 403, source: 'downstream', retryable: false },
  NO_IDENTITY: { status: 403, source: 'downstream', retryable: false },
  NOT_CONFIGURED: { status: 503, source: 'internal', retryable: true },
  PATH_REJECTED: { status: 400, source: 'downstream', retryable: false },
  BAD_REQUEST: { status: 400, source: 'downstream', retryable: false },
  METHOD_NOT_ALLOWED: { status: 405, source: 'downstream', retryable: false },
  EXPECTATION_FAILED: { status: 417, source: 'downstream', retryable: false },
  REQUEST_TIMEOUT: { status: 408, source: 'downstream', retryable: false },
  URI_TOO_LONG: { status: 414, source: 'downstream', retryable: false },
  HEAD_TOO_LARGE: { status: 431, source: 'downstream', retryable: false },
  UNSUPPORTED_CODING: { status: 501, source: 'downstream', retryable: false },
  VERSION_NOT_SUPPORTED: { status: 505, source: 'downstream', retryable: false },
  UNKNOWN_DESTINATION: { status: 502, source: 'downstream', retryable: false },
  MISDIRECTED: { status: 421, source: 'downstream', retryable: false },
  FORBIDDEN_DESTINATION: { status: 403, source: 'downstream', retryable: false },
  LOOP_DETECTED: { status: 508, source: 'internal', retryable: false },
  SPLIT_WITHOUT_BACKEND: { status: 503, source: 'internal', retryable: false },
  NO_ENDPOINTS: { status: 503, source: 'upstream', retryable: true },
  CONNECT_FAILED: { status: 503, source: 'upstream', retryable: true },
  CONNECT_TIMEOUT: { status: 504, source: 'upstream', retryable: true },
  IDENTITY_MISMATCH: { status: 503, source: 'upstream', retryable: true },
  UPSTREAM_RESET: { status: 502, source: 'upstream', retryable: false },
  UPSTREAM_PROTOCOL: { status: 502, source: 'upstream', retryable: false },
  UPSTREAM_TIMEOUT: { status: 504, source: 'upstream', retryable: false },
  DOWNSTREAM_RESET: { status: 499, source: 'downstream', retryable: false },
  OVERLOADED: { status: 503, source: 'internal', retryable: true },
  PEER_OVERLOADED: { status: 503, source: 'downstream', retryable: true },
  DRAINING: { status: 503, source: 'internal', retryable: true },
  INTERNAL: { status: 500, source: 'internal', retryable: false },
} as const satisfies Record<string, Reason>;

export type ReasonCode = keyof typeof REASONS;
