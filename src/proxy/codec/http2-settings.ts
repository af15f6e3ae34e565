/** What one end of an HTTP/2 connection tells the other, and what it bears. */
export interface Http2Settings {
  /** Flow-control window of each stream. */
  readonly initialWindowBytes: number;
  /** Flow-control window of the connection as a whole. */
  readonly connectionWindowBytes: number;
  /** Streams that the peer may have open at once. */
  readonly maxConcurrentStreams: number;
}

export const defaultHttp2Settings: Http2Settings = {
  /** 64 KB, the protocol's default, stalls a bulk stream once per round trip. */
  initialWindowBytes: 1024 * 1024,
  /** Several full streams, so that one stalled reader cannot starve its neighbours. */
  connectionWindowBytes: 16 * 1024 * 1024,
  /** As grpc-go and nginx; Envoy allows far more, and paid for it in CVE-2023-44487. */
  maxConcurrentStreams: 250,
};
