/** What one end of an HTTP/2 connection tells the other, and what it bears. */
export interface Http2Settings {
  /** Flow-control window that each stream begins with. */
  readonly initialWindowBytes: number;
  /** Window that a stream is given while its reader keeps up. */
  readonly maxWindowBytes: number;
  /** Flow-control window of the connection as a whole. */
  readonly connectionWindowBytes: number;
  /** Streams that may be open at once, whoever has opened them. */
  readonly maxConcurrentStreams: number;
  /** Frames that cost us and bring nothing: so many at once, and then so many in a second (CVE-2023-44487, CVE-2025-8671). */
  readonly nuisanceBurst: number;
  readonly nuisancePerSecond: number;
}

export const defaultHttp2Settings: Http2Settings = {
  /** The protocol's default. What a stream whose reader stands still can make us hold. */
  initialWindowBytes: 64 * 1024,
  /** 64 KB would stall a bulk stream once per round trip. */
  maxWindowBytes: 1024 * 1024,
  /** More than all streams begin with: however many readers stand still, others have their window. The rest is lent. */
  connectionWindowBytes: 32 * 1024 * 1024,
  /** As grpc-go and nginx; Envoy allows far more, and paid for it in CVE-2023-44487. */
  maxConcurrentStreams: 250,
  /** A client that gives up a whole screen of requests stays far below. */
  nuisanceBurst: 1000,
  nuisancePerSecond: 100,
};

/**
 * Between sidecars: one connection carries the streams of all clients of a pod. Each of them is judged where it connects;
 * here its resets must not end the connection of the others.
 */
export const tunnelSettings: Http2Settings = {
  ...defaultHttp2Settings,
  nuisanceBurst: 20_000,
  nuisancePerSecond: 10_000,
};

/**
 * Towards an app, which is near: half a window, for what it answers waits here as well as at the far end when its reader
 * stands still. Only for the side that dials: its SETTINGS are there before the first answer.
 */
export const appSettings: Http2Settings = { ...defaultHttp2Settings, initialWindowBytes: 32 * 1024 };
