import type { Duplex, Readable, Writable } from 'node:stream';

/** Names a running pod. */
export interface PodRef {
  readonly namespace: string;
  readonly pod: string;
}

/** What `GET /api/v1/namespaces/{ns}/pods/{name}/log` asks for; fields as in the query of Kubernetes. */
export interface LogOptions extends PodRef {
  /** Undefined: the pod's only container (or the default one by annotation); several containers are a BadRequest. */
  readonly container?: string;
  /** Goes on with what is written later, until the container ends or the signal aborts. */
  readonly follow?: boolean;
  /** Logs of the container's run before the present one. */
  readonly previous?: boolean;
  readonly tailLines?: number;
  readonly limitBytes?: number;
  /** Only lines written at or after this moment, milliseconds since 1970 (`sinceTime`, or now - `sinceSeconds`). */
  readonly sinceMs?: number;
  /** Puts an RFC 3339 time and a space before each line. */
  readonly timestamps?: boolean;
}

/** What `.../pods/{name}/exec` asks for. */
export interface ExecOptions extends PodRef {
  readonly container?: string;
  readonly command: readonly string[];
  /** Whether `stdin` of the session is wanted; without it the command reads end of file. */
  readonly stdin: boolean;
  /** One terminal instead of stdout and stderr: everything comes on `stdout`, lines end in CR LF. */
  readonly tty: boolean;
}

/** A command that runs in a pod. Destroying `stdin` or aborting the signal of `exec` kills it. */
export interface ExecSession {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Ends at once when there is a terminal. */
  readonly stderr: Readable;
  /** Resolves after stdout and stderr have ended. */
  readonly exit: Promise<ExecExit>;
  /** Tells the terminal its new size; does nothing without one. */
  resize(columns: number, rows: number): void;
}

export interface ExecExit {
  /** Exit code, or 128 + the number of the signal that ended it. */
  readonly code: number;
}

/**
 * Bytes in and out of running pods: the runtime's side of the API server's `log`, `exec`, `attach` and `portforward`
 * subresources. All of them throw `PodStreamError`, whose fields make the Status that the client sees.
 */
export interface PodStreams {
  /** Chunks of log text, as they are to be sent. Ends by itself unless `follow`. */
  logs(options: LogOptions, signal: AbortSignal): AsyncIterable<Buffer>;
  exec(options: ExecOptions, signal: AbortSignal): Promise<ExecSession>;
  /** A connection to a port of the pod, as `kubectl port-forward` wants it. */
  portForward?(options: PodRef & { readonly port: number }, signal: AbortSignal): Promise<Duplex>;
}

/** Why a stream cannot be had, in the words of a Status object. */
export class PodStreamError extends Error {
  /** HTTP status. */
  readonly code: 400 | 404 | 500;
  readonly reason: 'BadRequest' | 'NotFound' | 'InternalError';

  constructor(reason: 'BadRequest' | 'NotFound' | 'InternalError', message: string) {
    super(message);
    this.reason = reason;
    this.code = reason === 'BadRequest' ? 400 : reason === 'NotFound' ? 404 : 500;
  }
}
