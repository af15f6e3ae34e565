import { generateKeyPairSync, X509Certificate, createPrivateKey } from 'node:crypto';
import { isIP } from 'node:net';
import type { Clock } from '../base/clock.ts';
import { buildCertificate } from './certificate.ts';
import { CLOCK_SKEW_MS, createRoot } from './root.ts';

export interface ServerCertificate {
  /** PEM of the CA that clients are told to trust. Its key is gone. */
  readonly ca: string;
  /** PEM. */
  readonly certificate: string;
  /** PEM, PKCS#8. */
  readonly privateKey: string;
}

export interface ServerCertificateOptions {
  readonly clock: Pick<Clock, 'now'>;
  /** Names and addresses that the server is dialled by. */
  readonly hosts: readonly string[];
  readonly lifetimeMs?: number;
}

const YEAR_MS = 365 * 24 * 3600_000;

/** A certificate, with a CA of its own, for a server that is no part of the mesh: the embedded API server. */
export function serverCertificate({ clock, hosts, lifetimeMs = YEAR_MS }: ServerCertificateOptions): ServerCertificate {
  const now = clock.now();
  const root = createRoot('server.invalid', now, lifetimeMs);
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const certificate = buildCertificate(
    {
      commonName: hosts[0] ?? 'server',
      publicKey: keys.publicKey,
      notBefore: now - CLOCK_SKEW_MS,
      notAfter: now + lifetimeMs,
      dnsNames: hosts.filter((h) => isIP(h) === 0),
      ipAddresses: hosts.filter((h) => isIP(h) !== 0),
    },
    { certificate: new X509Certificate(root.certificate), privateKey: createPrivateKey(root.privateKey) },
  );
  const privateKey = keys.privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
  return { ca: root.trust, certificate, privateKey };
}
