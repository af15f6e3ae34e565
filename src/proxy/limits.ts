/** Every limit of the data path with its reason. Framing limits are the codec's own (`codec/limits.ts`). */
export interface ProxyLimits {
  /** How long first bytes may take before a connection counts as opaque (server speaks first). */
  readonly detectTimeoutMs: number;
  /** How long a connection to an unknown destination is held while the control plane looks it up. */
  readonly lookupTimeoutMs: number;
  /** TCP connect to an endpoint; a lost SYN is sent again after 1 s and 3 s, so two chances fit. */
  readonly connectTimeoutMs: number;
  /** TLS handshake after the TCP connect, both sides. */
  readonly handshakeTimeoutMs: number;
  /** Handshakes of the tunnel listener that may run at once; one costs about 1 ms of CPU. */
  readonly maxHandshakes: number;
  /** Of them from one address: one peer, good or bad, never takes the place of all others. A good one opens 16 tunnels at most. */
  readonly maxHandshakesPerAddress: number;
  /** How long no tunnel is accepted from an address after a peer there was sent away for what it did. */
  readonly unwelcomeMs: number;
  /** Head of CONNECT or of SOCKS5 on the explicit listener. */
  readonly maxProxyHeadBytes: number;
  /**
   * Tunnels to one peer. More than a few help only against head-of-line blocking of busy ones; but each holds 250 streams at most,
   * and a peer may have thousands of WebSockets, long polls or slow clients.
   */
  readonly maxTunnelsPerPeer: number;
  /** Streams on each tunnel of a peer above which another tunnel is opened. */
  readonly streamsPerTunnel: number;
  /** HTTP/1.1 connections to one endpoint; as many as the streams of one peer, for each may hold one. */
  readonly maxConnectionsPerEndpoint: number;
  /**
   * Requests, WebSockets and raw connections that one peer may have under way at this sidecar, on all its tunnels: what the tunnels hold
   * that a good one opens. Below what an endpoint bears, so that one peer never takes all of it.
   */
  readonly maxRequestsPerPeer: number;
  /** Requests that may wait for a connection of one endpoint. */
  readonly maxWaitersPerEndpoint: number;
  /** How long a request may wait there. */
  readonly waitTimeoutMs: number;
  /**
   * Idle HTTP/1.1 connections are closed before Node's servers (5 s, the shortest default around) close them; they are
   * looked through once a second.
   */
  readonly idleConnectionMs: number;
  /** Idle tunnels stay warm; a handshake costs more than the memory of ten minutes. */
  readonly idleTunnelMs: number;
  /** No upstream connection lives longer (with 20 % jitter): addresses and certificates move on. */
  readonly maxConnectionAgeMs: number;
  /** Endpoints tried for one request or connection. */
  readonly maxAttempts: number;
  /** An endpoint that refused a connection is avoided this long, doubled up to the maximum. */
  readonly minCooldownMs: number;
  readonly maxCooldownMs: number;
  /** Connections of one listener; the file descriptors behind it are the real limit. */
  readonly maxConnections: number;
  /** What an aborted proxy waits for running exchanges (Kubernetes grants 30 s in all). */
  readonly drainMs: number;
}

export const DEFAULT_LIMITS: ProxyLimits = {
  detectTimeoutMs: 10_000,
  lookupTimeoutMs: 2_000,
  connectTimeoutMs: 5_000,
  handshakeTimeoutMs: 5_000,
  maxHandshakes: 256,
  maxHandshakesPerAddress: 64,
  unwelcomeMs: 1_000,
  maxProxyHeadBytes: 8 * 1024,
  maxTunnelsPerPeer: 16,
  streamsPerTunnel: 100,
  maxConnectionsPerEndpoint: 4096,
  maxRequestsPerPeer: 4_000,
  maxWaitersPerEndpoint: 1024,
  waitTimeoutMs: 10_000,
  idleConnectionMs: 3_000,
  idleTunnelMs: 600_000,
  maxConnectionAgeMs: 3_600_000,
  maxAttempts: 3,
  minCooldownMs: 500,
  maxCooldownMs: 10_000,
  maxConnections: 20_000,
  drainMs: 20_000,
};
