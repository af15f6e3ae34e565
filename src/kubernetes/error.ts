/** A refusal by the API server: the Status object of its reply. */
export class KubernetesError extends Error {
  /** HTTP status. */
  readonly status: number;
  /** `NotFound`, `AlreadyExists`, `Conflict`, `Expired`...; empty when the reply was no Status object. */
  readonly reason: string;
  /** How long the server asks to wait, when it does. */
  readonly retryAfterMs: number | undefined;

  constructor(status: number, reason: string, message: string, retryAfterMs?: number) {
    super(message);
    this.name = 'KubernetesError';
    this.status = status;
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Whether the server says that there is no such object, or no such kind. */
export function isNotFound(error: unknown): boolean {
  return error instanceof KubernetesError && error.status === 404;
}

/** Whether somebody else was faster: the object exists already, or has changed since it was read. */
export function isConflict(error: unknown): boolean {
  return error instanceof KubernetesError && error.status === 409;
}

/** Whether the object as it would be is not what its schema or a webhook admits. */
export function isInvalid(error: unknown): boolean {
  return error instanceof KubernetesError && error.status === 422;
}

/** Whether the server no longer knows the resourceVersion that was asked for: list anew. */
export function isGone(error: unknown): boolean {
  return error instanceof KubernetesError && error.status === 410;
}

/** The error of a Status object, or of whatever else a server replied with. */
export function errorOf(status: number, body: unknown, retryAfterMs?: number): KubernetesError {
  const { code, reason, message } = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  return new KubernetesError(
    status !== 200 ? status : typeof code === 'number' ? code : 500,
    typeof reason === 'string' ? reason : '',
    typeof message === 'string' ? message : `the API server replied ${status}`,
    retryAfterMs,
  );
}
