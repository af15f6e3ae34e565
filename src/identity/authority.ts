import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { silentLog, type Logger } from '../base/log.ts';
import { WatchSource, type Watch } from '../base/watch.ts';
import { parseSpiffeId } from '../mesh/spiffe.ts';
import { buildCertificate } from './certificate.ts';
import { readPublicKey } from './public-key.ts';
import { splitPem } from './pem.ts';
import { CLOCK_SKEW_MS, createRoot, readRoot, type Root, type SuppliedRoot } from './root.ts';

/**
 * Where a root rotation stands. Each stage lasts until every leaf that was issued before it has been renewed or has
 * expired, so that at any moment every live leaf is trusted by every live bundle:
 * `steady` -> `distributing` (both trusted, the old one signs) -> `switched` (both trusted, the new one signs) -> `steady`.
 */
export type AuthorityState =
  | { readonly stage: 'steady'; readonly signing: Root }
  | { readonly stage: 'distributing'; readonly signing: Root; readonly next: Root; readonly since: number }
  | { readonly stage: 'switched'; readonly signing: Root; readonly previousTrust: string; readonly since: number };

export interface SigningRequest {
  /** SPIFFE ID, decided by the caller from a reviewed token, never from the request. */
  readonly identity: string;
  /** UID of the pod whose key it is, from the reviewed token as well. Undefined for what is no pod. */
  readonly pod?: string;
  /** PEM: a signing request or a SubjectPublicKeyInfo; only its key is used. */
  readonly publicKey: string;
  /** For servers that are dialled by name or address. */
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
}

export interface SignedCertificate {
  /** PEM: leaf first, then intermediates without the root. */
  readonly certificateChain: string;
  /** PEM, every root trusted now. */
  readonly trustBundle: readonly string[];
  /** Milliseconds since 1970. */
  readonly notAfter: number;
  /** Hexadecimal, for the log. */
  readonly serial: string;
}

export interface Authority {
  readonly trustDomain: string;
  /** Holds private keys: it goes into a Secret and nowhere else. */
  readonly state: Watch<AuthorityState>;
  /** PEM certificates of the roots trusted now. */
  readonly trustBundle: Watch<readonly string[]>;
  /**
   * Signs a leaf for 24 hours, or less when the issuer ends before.
   * @throws BadPublicKey for a key that is not accepted; Error for an identity outside the trust domain or an impossible UID
   */
  sign(request: SigningRequest): SignedCertificate;
  /**
   * Begins a rotation, to a new root or to a supplied one. `run` carries it through.
   * @throws Error when one is under way already, or the supplied root is unusable
   */
  rotate(supplied?: SuppliedRoot): Promise<void>;
  /** Moves a rotation on when its stage is over; begins one when our own root has a third of its life left. */
  tend(): Promise<void>;
  /** Takes over a state that another replica wrote. */
  adopt(state: AuthorityState): void;
  /** Tends until aborted. */
  run(signal: AbortSignal): Promise<void>;
}

export interface AuthorityOptions {
  readonly clock: Clock;
  readonly trustDomain: string;
  /** What `state` was when the last process ended. Without it, and without a supplied root, a new root is made. */
  readonly state?: AuthorityState;
  readonly root?: SuppliedRoot;
  /** Stores a state; awaited before it takes effect, so that no leaf is signed by a root that could be lost. */
  readonly save?: (state: AuthorityState) => Promise<void>;
  readonly leafLifetimeMs?: number;
  readonly rootLifetimeMs?: number;
  readonly log?: Logger;
}

const DAY_MS = 24 * 3600_000;
/** How often `run` looks; also bounds how long a suspended machine sleeps through a deadline. */
const TEND_EVERY_MS = 10 * 60_000;

/**
 * A certificate authority for one trust domain. The first state is made here and not saved: the caller stores
 * `state.current()` before it serves.
 * @throws Error when the supplied root is unusable
 */
export function createAuthority(options: AuthorityOptions): Authority {
  return new OwnAuthority(options);
}

class OwnAuthority implements Authority {
  readonly trustDomain: string;
  readonly state: WatchSource<AuthorityState>;
  readonly trustBundle: WatchSource<readonly string[]>;
  readonly #clock: Clock;
  readonly #save: (state: AuthorityState) => Promise<void>;
  readonly #leafLifetimeMs: number;
  readonly #rootLifetimeMs: number;
  readonly #log: Logger;

  constructor(options: AuthorityOptions) {
    const { clock, trustDomain, leafLifetimeMs = DAY_MS, rootLifetimeMs = 365 * DAY_MS, log = silentLog } = options;
    if (!/^[a-z0-9._-]{1,255}$/.test(trustDomain)) throw new Error(`${JSON.stringify(trustDomain)} is no trust domain`);
    this.#clock = clock;
    this.#save = options.save ?? (() => Promise.resolve());
    this.#leafLifetimeMs = Math.min(leafLifetimeMs, DAY_MS); // SVIDs live for 24 hours at most
    this.#rootLifetimeMs = rootLifetimeMs;
    this.#log = log;
    this.trustDomain = trustDomain;
    const state = options.state ?? { stage: 'steady', signing: this.#firstRoot(options.root) };
    this.state = new WatchSource(state);
    this.trustBundle = new WatchSource(trusted(state));
  }

  sign(request: SigningRequest): SignedCertificate {
    const identity = parseSpiffeId(request.identity);
    if (identity?.trustDomain !== this.trustDomain) {
      throw new Error(`${request.identity} is no workload identity of trust domain ${this.trustDomain}`);
    }
    if (request.pod !== undefined && !/^[A-Za-z0-9-]{1,64}$/.test(request.pod)) {
      throw new Error(`${JSON.stringify(request.pod)} is no UID of a pod`);
    }
    const publicKey = readPublicKey(request.publicKey);
    const { signing } = this.#current();
    const issuers = splitPem(signing.certificate).map((pem) => new X509Certificate(pem));
    const ends = [...issuers, new X509Certificate(signing.trust)].map((c) => c.validToDate.getTime());
    const now = this.#clock.now();
    const notBefore = now - CLOCK_SKEW_MS;
    const notAfter = Math.floor(Math.min(notBefore + this.#leafLifetimeMs, ...ends) / 1000) * 1000;
    if (notAfter <= now) throw new Error(`the root of ${this.trustDomain} has expired: rotate it`);
    const pem = buildCertificate(
      {
        commonName: identity.serviceAccount,
        ...(request.pod === undefined ? {} : { uid: request.pod }),
        publicKey,
        notBefore,
        notAfter,
        uris: [request.identity],
        dnsNames: request.dnsNames ?? [],
        ipAddresses: request.ipAddresses ?? [],
      },
      { certificate: issuers[0], privateKey: createPrivateKey(signing.privateKey) },
    );
    const path = signing.certificate === signing.trust ? '' : signing.certificate;
    const serial = new X509Certificate(pem).serialNumber;
    return { certificateChain: pem + path, trustBundle: this.trustBundle.current() ?? [], notAfter, serial };
  }

  async rotate(supplied?: SuppliedRoot): Promise<void> {
    const state = this.#current();
    if (state.stage !== 'steady') throw new Error(`a root rotation is under way already (${state.stage})`);
    const next = this.#firstRoot(supplied);
    await this.#become({ stage: 'distributing', signing: state.signing, next, since: this.#clock.now() });
  }

  async tend(): Promise<void> {
    const state = this.#current();
    const now = this.#clock.now();
    // Leaves are dated in whole seconds and clocks differ: a stage lasts a little longer than the longest leaf.
    const over = state.stage !== 'steady' && now >= state.since + this.#leafLifetimeMs + CLOCK_SKEW_MS;
    switch (state.stage) {
      case 'steady':
        if (state.signing.origin === 'own' && this.#isOld(state.signing, now)) await this.rotate();
        return;
      case 'distributing':
        if (!over) return;
        return this.#become({
          stage: 'switched',
          signing: state.next,
          previousTrust: state.signing.trust,
          since: now,
        });
      case 'switched':
        if (over) await this.#become({ stage: 'steady', signing: state.signing });
    }
  }

  adopt(state: AuthorityState): void {
    this.state.set(state);
    this.trustBundle.set(trusted(state));
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.tend().catch((error: unknown) => {
        this.#log.warn('root rotation could not move on, will retry', { error: String(error) });
      });
      await this.#clock.sleep(TEND_EVERY_MS, signal).catch(() => undefined);
    }
  }

  async #become(state: AuthorityState): Promise<void> {
    await this.#save(state);
    this.adopt(state);
    this.#log.info('root rotation', { stage: state.stage, roots: trusted(state).length });
  }

  #isOld(root: Root, now: number): boolean {
    const certificate = new X509Certificate(root.certificate);
    const [from, to] = [certificate.validFromDate.getTime(), certificate.validToDate.getTime()];
    return now >= to - (to - from) / 3;
  }

  #firstRoot(supplied: SuppliedRoot | undefined): Root {
    const now = this.#clock.now();
    return supplied === undefined ? createRoot(this.trustDomain, now, this.#rootLifetimeMs) : readRoot(supplied, now);
  }

  #current(): AuthorityState {
    return this.state.current()!; // set in the constructor
  }
}

/** The newest root last: readers that look at one only still trust what signs longest. */
function trusted(state: AuthorityState): readonly string[] {
  switch (state.stage) {
    case 'steady':
      return [state.signing.trust];
    case 'distributing':
      return [state.signing.trust, state.next.trust];
    case 'switched':
      return [state.previousTrust, state.signing.trust];
  }
}
