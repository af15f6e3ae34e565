import { generateKeyPair, X509Certificate, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import type { Clock } from '../base/clock.ts';
import { silentLog, type Logger } from '../base/log.ts';
import { jittered, type Random } from '../base/random.ts';
import { WatchSource, type Watch } from '../base/watch.ts';
import type { Credentials } from '../mesh/credentials.ts';
import { trustBundle, verifyPeer } from '../mesh/verify-peer.ts';
import { splitPem } from './pem.ts';

/** What a signer gives back. */
export interface Signed {
  readonly certificateChain: string;
  readonly trustBundle: readonly string[];
}

export interface CredentialsClientOptions {
  /** Has a public key (PEM, SubjectPublicKeyInfo) signed: by HTTP for a sidecar, by the authority itself for the controller. */
  readonly sign: (publicKey: string, signal: AbortSignal) => Promise<Signed>;
  readonly clock: Clock;
  readonly random: Random;
  readonly trustDomain: string;
  readonly log?: Logger;
  readonly minBackoffMs?: number;
  readonly maxBackoffMs?: number;
}

export interface CredentialsClient {
  /** Undefined until the first certificate is there. Kept past a failed renewal: whoever uses it looks at `notAfter`. */
  readonly credentials: Watch<Credentials>;
  /** Keeps the credentials fresh until aborted. */
  run(signal: AbortSignal): Promise<void>;
}

/** One signing may take this long before it is tried again. */
const SIGN_TIMEOUT_MS = 10_000;
/** Longest single sleep: a machine that was suspended, or whose clock was set, notices within this time. */
const LONGEST_SLEEP_MS = 10 * 60_000;

/** Makes a key pair, has it signed, and does both again at about two thirds of the certificate's life. */
export function credentialsClient(options: CredentialsClientOptions): CredentialsClient {
  const { clock, random, log = silentLog, minBackoffMs = 500, maxBackoffMs = 60_000 } = options;
  const credentials = new WatchSource<Credentials>();

  async function run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      try {
        const fresh = await obtain(options, signal);
        if (signal.aborted) return;
        failures = 0;
        credentials.set(fresh);
        log.info('certificate renewed', { identity: fresh.identity, notAfter: new Date(fresh.notAfter).toISOString() });
        const now = clock.now();
        // 10 % jitter around two thirds: a thousand sidecars that started together do not renew together.
        await sleepUntil(clock, now + jittered(((fresh.notAfter - now) * 2) / 3, 0.1, random), signal);
      } catch (error) {
        if (signal.aborted) return;
        const backoffMs = jittered(Math.min(maxBackoffMs, minBackoffMs * 2 ** failures++), 0.2, random);
        const remainingMs = (credentials.current()?.notAfter ?? 0) - clock.now();
        const level = remainingMs > 0 ? 'warn' : 'error';
        log[level]('certificate not renewed, will retry', { error: String(error), backoffMs, remainingMs });
        await clock.sleep(backoffMs, signal).catch(() => undefined);
      }
    }
  }

  return { credentials, run };
}

async function obtain(options: CredentialsClientOptions, signal: AbortSignal): Promise<Credentials> {
  const keys = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });
  const timeout = new AbortController();
  const both = AbortSignal.any([signal, timeout.signal]);
  const late = options.clock.sleep(SIGN_TIMEOUT_MS, both).then(() => {
    throw new Error(`the signer did not answer within ${SIGN_TIMEOUT_MS} ms`);
  });
  late.catch(() => undefined);
  try {
    const signed = await Promise.race([options.sign(publicKeyPem(keys.publicKey), both), late]);
    return judge(signed, keys, options);
  } finally {
    timeout.abort();
  }
}

/**
 * The key alone and no signing request: the token says whose it is, a certificate for a key that one does not have is of
 * no use, and a sidecar does not load an ASN.1 library for it.
 */
function publicKeyPem(key: KeyObject): string {
  return key.export({ format: 'pem', type: 'spki' }) as string;
}

/** A certificate that a peer would refuse is refused here, while there still is an older one to keep. */
function judge(
  signed: Signed,
  keys: { readonly publicKey: KeyObject; readonly privateKey: KeyObject },
  { trustDomain, clock }: CredentialsClientOptions,
): Credentials {
  const chain = splitPem(signed.certificateChain).map((pem) => new X509Certificate(pem));
  const verdict = verifyPeer(chain, trustBundle(trustDomain, signed.trustBundle), clock.now());
  if (!verdict.ok) throw new Error(`the signed certificate is unusable: ${verdict.message} (${verdict.reason})`);
  if (chain[0]?.publicKey.equals(keys.publicKey) !== true) throw new Error('the signed certificate is for another key');
  return {
    identity: verdict.identity,
    certificateChain: signed.certificateChain,
    privateKey: keys.privateKey.export({ format: 'pem', type: 'pkcs8' }) as string,
    trustBundle: signed.trustBundle,
    notAfter: verdict.notAfter,
  };
}

async function sleepUntil(clock: Clock, time: number, signal: AbortSignal): Promise<void> {
  for (let now = clock.now(); now < time; now = clock.now()) {
    await clock.sleep(Math.min(LONGEST_SLEEP_MS, time - now), signal);
  }
}
