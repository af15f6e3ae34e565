/** What one run of load does; travels to the load program as JSON. */
export type LoadSpec = RequestLoad | TcpLoad | IdleLoad | StalledLoad;

interface Common {
  /** On 127.0.0.1. */
  readonly port: number;
  readonly seconds: number;
  readonly connections: number;
}

export interface RequestLoad extends Common {
  readonly kind: 'http1' | 'http1-connect' | 'grpc' | 'grpc-stream';
  /** Streams per connection; HTTP/1.1 has one. */
  readonly streams: number;
  /** Open loop: requests begin at this rate whatever becomes of them. 0 = closed loop, each lane as fast as it can. */
  readonly ratePerSecond: number;
  /** HTTP/1.1: what to GET, and how long its body has to be. */
  readonly path: string;
  readonly bodyBytes: number;
}

/** Downloads as fast as they come; a unit is a MiB. */
export interface TcpLoad extends Common {
  readonly kind: 'tcp';
}

/** Opens keep-alive connections, asks one request on each, then holds them. */
export interface IdleLoad extends Common {
  readonly kind: 'idle';
  readonly path: string;
  readonly bodyBytes: number;
}

/** An upload to an app that does not read; a unit is a MiB that was taken all the same. */
export interface StalledLoad extends Common {
  readonly kind: 'stalled';
  readonly bodyBytes: number;
}

/** What a run reports, as JSON too. A unit is a request, a message or a MiB. */
export interface LoadReport {
  readonly units: number;
  readonly failures: number;
  /** What the first of them was; empty where there is none. */
  readonly firstFailure: string;
  readonly perSecond: number;
  /** Milliseconds, in an open loop from when the request should have begun. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  /** Open loop: how late the load itself began a request, 99 of 100. */
  readonly late99Ms: number;
}
