import { createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import type { Clock } from '../base/clock.ts';
import type { Watch } from '../base/watch.ts';
import type { Credentials } from '../mesh/credentials.ts';
import { parseSpiffeId } from '../mesh/spiffe.ts';
import { trustBundle, verifyTlsPeer, type PeerVerdict, type TrustBundle } from '../mesh/verify-peer.ts';

/**
 * Protocols of the mesh hop, newest first (docs/mesh-hop.md). The versions meet in ALPN, before the first stream.
 * `h2` is version 1 under its registered name, so that ordinary HTTP/2 tools can be pointed at a tunnel.
 */
export const HOP_PROTOCOLS: readonly string[] = ['weft/1', 'h2'];

/** TLS of the mesh hop. AES-128-GCM first: as strong as P-256, and a third cheaper than 256. */
export const HOP_TLS = {
  minVersion: 'TLSv1.3',
  ciphers: 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256',
} as const;

/** One issue of the workload's credentials, made ready once for all handshakes. */
export interface TlsIdentity {
  readonly credentials: Credentials;
  readonly bundle: TrustBundle;
  readonly context: SecureContext;
}

/** The newest credentials as TLS wants them. Replaced as a whole; who holds an old one may go on with it. */
export class LiveCredentials {
  readonly #watch: Watch<Credentials>;
  readonly #clock: Clock;
  readonly #listeners = new Set<() => void>();
  #current: TlsIdentity | undefined;
  #stop: (() => void) | undefined;

  constructor(watch: Watch<Credentials>, clock: Clock) {
    this.#watch = watch;
    this.#clock = clock;
  }

  /** @param refused told about credentials that cannot be used; the last good ones stay */
  start(refused: (error: Error) => void): void {
    const load = () => {
      const credentials = this.#watch.current();
      if (credentials === undefined) return;
      try {
        this.#current = tlsIdentity(credentials);
      } catch (error) {
        return refused(error as Error);
      }
      for (const listener of [...this.#listeners]) listener();
    };
    this.#stop = this.#watch.subscribe(load);
    load();
  }

  stop(): void {
    this.#stop?.();
  }

  current(): TlsIdentity | undefined {
    return this.#current;
  }

  /** Calls back after each new issue. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Who is at the far end of a finished handshake, by the bundle that is trusted now. */
  verify(socket: TLSSocket): PeerVerdict {
    const identity = this.#current;
    if (identity === undefined) {
      return { ok: false, reason: 'UNTRUSTED', message: 'this proxy has no trust bundle yet' };
    }
    return verifyTlsPeer(socket, identity.bundle, this.#clock.now());
  }
}

/** @throws Error when key, chain or bundle cannot be read, do not fit together, or name no workload */
export function tlsIdentity(credentials: Credentials): TlsIdentity {
  const workload = parseSpiffeId(credentials.identity);
  if (workload === undefined) throw new Error(`credentials: ${credentials.identity} is no SPIFFE ID of a workload`);
  const context = createSecureContext({
    ...HOP_TLS,
    cert: credentials.certificateChain,
    key: credentials.privateKey,
    ca: [...credentials.trustBundle],
  });
  return { credentials, bundle: trustBundle(workload.trustDomain, credentials.trustBundle), context };
}
