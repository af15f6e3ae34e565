import type { ClientSessionOptions, ServerSessionOptions } from 'node:http2';
import type { CodecLimits } from './stream.ts';

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

/** Options for a session of node:http2, either side. */
export function sessionOptions(
  settings: Http2Settings,
  limits: CodecLimits,
): ServerSessionOptions & ClientSessionOptions {
  return {
    settings: {
      enablePush: false,
      enableConnectProtocol: true,
      initialWindowSize: settings.initialWindowBytes,
      maxConcurrentStreams: settings.maxConcurrentStreams,
      maxHeaderListSize: limits.maxHeadBytes + 32 * limits.maxHeaders, // RFC 9113 6.5.2: 32 per field
    },
    maxHeaderListPairs: limits.maxHeaders + 6, // and the pseudo-fields
    maxSessionMemory: 64, // MB; a credit that refuses streams, so it must hold what the windows allow
    maxOutstandingPings: 10,
    maxSettings: 32,
    streamResetBurst: 1000, // CVE-2023-44487; both must be set to act
    streamResetRate: 33,
    maxSessionInvalidFrames: 1000,
    maxSessionRejectedStreams: 100,
  };
}
