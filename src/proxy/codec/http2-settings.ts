import type { FloodLimit } from './flood-budget.ts';

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
  /** Frames that cost us and bring nothing: PING, SETTINGS, empty DATA, tiny windows. */
  readonly nuisance: FloodLimit;
  /** Requests that are called off, beyond those that are answered (`StreamAccount`). */
  readonly calledOff: FloodLimit;
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
  nuisance: { burst: 1000, perSecond: 100 },
  /** A client that gives up a whole screen of requests stays far below. */
  calledOff: { burst: 1000, perSecond: 100 },
};

/** All apps beside a sidecar together: several that end or lose their patience at once, but not one that opens connection after connection. */
export const APPS_CALLED_OFF: FloodLimit = { burst: 4_000, perSecond: 400 };

/**
 * A peer, on all its connections: 16 of 250 streams, whose clients may lose their patience with an app that hangs. More than a
 * sidecar of ours lets its apps call off, even when they come with one connection after the other.
 */
export const PEER_CALLED_OFF: FloodLimit = { burst: 10_000, perSecond: 2_000 };

/**
 * Between sidecars: one connection carries the streams of all clients of a pod. Each of them is judged where it connects;
 * here its resets must not end the connection of the others.
 */
export const tunnelSettings: Http2Settings = { ...defaultHttp2Settings, calledOff: PEER_CALLED_OFF };

/**
 * Towards an app, which is near: half a window, for what it answers waits here as well as at the far end when its reader
 * stands still. Only for the side that dials: its SETTINGS are there before the first answer. What it answers to requests that its
 * callers have called off meanwhile is not its fault.
 */
export const appSettings: Http2Settings = {
  ...defaultHttp2Settings,
  initialWindowBytes: 32 * 1024,
  calledOff: PEER_CALLED_OFF,
};
