/**
 * What the suite and its test pods say to each other: JSON lines on the stdin and stdout of `weft testapp driver`,
 * which the suite starts in a pod through the Kubernetes API (exec).
 */
export type Protocol = 'http1' | 'http2' | 'grpc' | 'websocket' | 'tcp' | 'tcp-first' | 'raw';

/** Traffic that a pod is asked to send. */
export interface Call {
  readonly protocol: Protocol;
  /** Name or address to connect to; with a proxy setting, what the proxy is asked for. */
  readonly host: string;
  readonly port: number;
  /** Marks the traffic, so that the receiver can be asked what it saw: header `x-test-id`, or a line of bytes. */
  readonly id: string;
  /** Host header or `:authority`. Default: host and port. */
  readonly authority?: string;
  /** Default GET; POST for gRPC. */
  readonly method?: string;
  /** Sent as it is, never normalised. Default `/`. */
  readonly path?: string;
  /** Instead of `path`: requests take these in turn, and each answer tells its path. */
  readonly paths?: readonly string[];
  readonly headers?: readonly (readonly [name: string, value: string])[];
  /** `raw` only: the bytes of the request, latin1; `{id}` stands for the id. */
  readonly bytes?: string;
  /** Requests (TCP: connections). Default 1; ignored when `untilStopped`. */
  readonly count?: number;
  /** Goes on until the driver is told to finish. */
  readonly untilStopped?: boolean;
  /** How many at a time. Default 1. */
  readonly concurrency?: number;
  /** Pause between the requests of one worker, milliseconds. */
  readonly pauseMs?: number;
  /** Each worker keeps its connection; otherwise each request has a new one, or so many share one. */
  readonly reuse?: boolean;
  readonly perConnection?: number;
  /** Ignores the proxy setting. */
  readonly direct?: boolean;
  /** HTTP/1.1 through CONNECT instead of an absolute-form target, where there is a proxy setting. */
  readonly tunnel?: boolean;
  /** For one request, connecting included. Default 5000. */
  readonly timeoutMs?: number;
}

/** Who answered. */
export interface ServedBy {
  readonly app: string;
  readonly version: string;
  readonly namespace: string;
  readonly pod: string;
}

/** How one request ended. */
export interface Answer {
  readonly status?: number;
  /** gRPC status from header or trailer. */
  readonly grpc?: number;
  /** Reply header in which a mesh names why it refused. */
  readonly reason?: string;
  readonly by?: ServedBy;
  /** `closed`, `refused`, `timeout`, `dns`, or the code of another error: no complete reply came. */
  readonly error?: string;
  /** Only for a call with `paths`. */
  readonly path?: string;
}

/** Equal answers, counted. */
export interface Tally {
  readonly answer: Answer;
  readonly count: number;
}

export interface CallResult {
  readonly sent: number;
  readonly tallies: readonly Tally[];
}

/** What a pod received under one id. */
export interface Seen {
  readonly count: number;
  /** The first few. */
  readonly first: readonly Receipt[];
}

export interface Receipt {
  readonly port: number;
  readonly protocol: string;
  readonly method?: string;
  readonly path?: string;
  /** Lower-case names in the order received. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
  /** First bytes of what was not HTTP, latin1. */
  readonly bytes?: string;
}

export type Request =
  /** Sends and tells how it went. */
  | { readonly op: 'call'; readonly call: Call }
  /** Begins to send and tells a key at once. */
  | { readonly op: 'start'; readonly call: Call }
  /** Ends what `start` began and tells how it went. */
  | { readonly op: 'finish'; readonly key: string }
  /** Opens one connection, sends once, keeps it, and tells a key and the answer. */
  | { readonly op: 'open'; readonly call: Call }
  /** Sends again on the connection that `open` kept. */
  | { readonly op: 'again'; readonly key: string }
  /** Whether the kept connection was closed by the other side; waits at most `waitMs`. */
  | { readonly op: 'closed'; readonly key: string; readonly waitMs: number }
  | { readonly op: 'close'; readonly key: string }
  /** What this pod's app received under these ids. */
  | { readonly op: 'seen'; readonly ids: readonly string[] };

export interface Reply {
  readonly result?: CallResult;
  readonly key?: string;
  readonly answer?: Answer;
  readonly closed?: boolean;
  readonly seen?: Readonly<Record<string, Seen>>;
  /** The driver could not do what was asked. */
  readonly failure?: string;
}

/** Requests carry a number that their reply repeats; replies come in any order. */
export type RequestLine = Request & { readonly n: number };
export type ReplyLine = Reply & { readonly n: number };

export const TEST_ID = 'x-test-id';
export const SERVED_BY = 'x-test-served-by';

/** The id in bytes that are not HTTP. */
export function idInBytes(bytes: string): string | undefined {
  return /\bid=([\w.-]+)/.exec(bytes)?.[1];
}

/** A length-prefixed gRPC message, uncompressed. */
export function grpcMessage(payload: Buffer): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(payload.length, 1);
  return Buffer.concat([prefix, payload]);
}
