import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { strongKey } from '../mesh/verify-peer.ts';
import { certificateFacts } from '../mesh/x509-extensions.ts';
import { buildCertificate, keyIdentifier } from './certificate.ts';
import { splitPem } from './pem.ts';

/** A key that signs, and whom its signatures lead to. Plain data: it lies in a Secret. */
export interface Root {
  /** PEM: the certificate of the key, then intermediates up to the root, without the root. Only the root for a root. */
  readonly certificate: string;
  /** PEM, PKCS#8. */
  readonly privateKey: string;
  /** PEM of the self-signed certificate that goes into trust bundles. */
  readonly trust: string;
  /** Only our own is replaced by itself when it grows old; a supplied one waits for its owner. */
  readonly origin: 'own' | 'supplied';
}

/** Workload clocks may lag behind the controller's. */
export const CLOCK_SKEW_MS = 60_000;

/** A new self-signed root, ECDSA P-256, that may sign leaves only. */
export function createRoot(trustDomain: string, now: number, lifetimeMs: number): Root {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const fields = {
    // Two roots of a rotation must have different names: chains are built by name.
    commonName: `weft root ${keyIdentifier(keys.publicKey).toString('hex').slice(0, 12)}`,
    publicKey: keys.publicKey,
    notBefore: now - CLOCK_SKEW_MS,
    notAfter: now + lifetimeMs,
    uris: [`spiffe://${trustDomain}`],
    ca: { pathLength: 0 },
  };
  const certificate = buildCertificate(fields, { certificate: undefined, privateKey: keys.privateKey });
  const privateKey = keys.privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
  return { certificate, privateKey, trust: certificate, origin: 'own' };
}

export interface SuppliedRoot {
  /** PEM, `tls.crt`: the signing certificate first, then intermediates, perhaps the root. */
  readonly certificate: string;
  /** PEM, `tls.key`: PKCS#8, PKCS#1 or SEC1. */
  readonly privateKey: string;
  /** PEM, `ca.crt`: the root, where the signing certificate is an intermediate. */
  readonly trust?: string;
}

/**
 * A root made by somebody else (a `kubernetes.io/tls` Secret, so cert-manager works).
 * @throws Error that says what is wrong with it and what to do
 */
export function readRoot(supplied: SuppliedRoot, now: number): Root {
  const chain = splitPem(supplied.certificate).map((pem) => read(pem, 'tls.crt'));
  const signing = chain[0];
  if (signing === undefined) throw new Error('tls.crt holds no PEM certificate; put the signing certificate there');
  const trust = [...splitPem(supplied.trust ?? '').map((pem) => read(pem, 'ca.crt')), ...chain].find(selfSigned);
  if (trust === undefined) throw new Error('tls.crt is an intermediate; put its self-signed root into ca.crt');
  const key = readKey(supplied.privateKey);
  if (!createPublicKey(key).equals(signing.publicKey)) throw new Error('tls.key is not the key of tls.crt');
  const path = selfSigned(signing) ? [signing] : chain.filter((c) => !selfSigned(c));
  for (const certificate of new Set([...path, trust])) checkAuthority(certificate, now);
  for (const [i, certificate] of path.entries()) {
    const issuer = path[i + 1] ?? trust;
    if (!certificate.checkIssued(issuer) || !certificate.verify(issuer.publicKey)) {
      throw new Error(`tls.crt: ${subject(certificate)} is not signed by ${subject(issuer)}, which follows it`);
    }
  }
  const pem = path.map((c) => c.toString()).join('');
  const privateKey = key.export({ format: 'pem', type: 'pkcs8' }) as string;
  return { certificate: pem, privateKey, trust: trust.toString(), origin: 'supplied' };
}

function checkAuthority(certificate: X509Certificate, now: number): void {
  const who = subject(certificate);
  const facts = certificateFacts(certificate);
  if (!facts.ca || facts.usage?.certSign === false) {
    throw new Error(`${who} is no CA certificate (basicConstraints CA:TRUE, keyUsage keyCertSign are needed)`);
  }
  if (facts.notUnderstood.length > 0) {
    throw new Error(`${who} has extensions that Weft does not evaluate: ${facts.notUnderstood.join(', ')}`);
  }
  if (!strongKey(certificate.publicKey)) throw new Error(`${who} has a weak key; use ECDSA P-256 or RSA >= 2048`);
  if (certificate.validToDate.getTime() <= now) throw new Error(`${who} expired at ${certificate.validTo}; renew it`);
  if (certificate.validFromDate.getTime() > now) throw new Error(`${who} is valid only from ${certificate.validFrom}`);
}

function read(pem: string, field: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw new Error(`${field} holds a certificate that cannot be read: ${(error as Error).message}`);
  }
}

function readKey(pem: string): ReturnType<typeof createPrivateKey> {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw new Error(`tls.key cannot be read (PEM, not encrypted, is expected): ${(error as Error).message}`);
  }
}

function selfSigned(certificate: X509Certificate): boolean {
  return certificate.checkIssued(certificate) && certificate.verify(certificate.publicKey);
}

function subject(certificate: X509Certificate): string {
  return certificate.subject?.replaceAll('\n', ', ') || 'a certificate without a subject';
}
