import { X509Certificate, type KeyObject } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { certificateFacts, type CertificateFacts } from './x509-extensions.ts';

/** Whom one trust domain trusts. Two roots during a rotation. */
export interface TrustBundle {
  readonly trustDomain: string;
  readonly roots: readonly X509Certificate[];
}

/** Why a peer's certificate was refused; goes to logs and metrics. */
export type PeerRefusal =
  | 'NO_CERTIFICATE'
  | 'MALFORMED'
  | 'CHAIN_TOO_LONG'
  | 'WEAK_KEY'
  | 'WEAK_SIGNATURE'
  | 'CRITICAL_EXTENSION'
  | 'URI_COUNT'
  | 'BAD_SPIFFE_ID'
  | 'WRONG_TRUST_DOMAIN'
  | 'LEAF_IS_CA'
  | 'KEY_USAGE'
  | 'EXTENDED_KEY_USAGE'
  | 'NOT_YET_VALID'
  | 'EXPIRED'
  | 'ISSUER_NOT_CA'
  | 'PATH_LENGTH'
  | 'UNTRUSTED';

/** Who a peer is, by its certificate. */
export interface VerifiedPeer {
  /** SPIFFE ID. */
  readonly identity: string;
  /** UID of the pod that the certificate was issued to; undefined: it does not say. Never without `identity`. */
  readonly pod: string | undefined;
  /** Of the whole chain, ms since 1970. */
  readonly notAfter: number;
}

export type PeerVerdict =
  | (VerifiedPeer & { readonly ok: true })
  | { readonly ok: false; readonly reason: PeerRefusal; readonly message: string };

/** Leaf, intermediates and root together. Real chains have two or three. */
const MAX_CHAIN = 5;
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
/** ECDSA and RSA (PKCS #1 v1.5) with SHA-256, -384, -512. */
const SIGNATURES: ReadonlySet<string> = new Set([
  '1.2.840.10045.4.3.2',
  '1.2.840.10045.4.3.3',
  '1.2.840.10045.4.3.4',
  '1.2.840.113549.1.1.11',
  '1.2.840.113549.1.1.12',
  '1.2.840.113549.1.1.13',
]);

/**
 * A bundle from PEM texts, as Credentials carries it.
 * @throws Error when one is no certificate
 */
export function trustBundle(trustDomain: string, pems: readonly string[]): TrustBundle {
  return { trustDomain, roots: pems.map((pem) => new X509Certificate(pem)) };
}

/**
 * Decides who a peer is by the SPIFFE X509-SVID rules. The handshake has proved that the peer holds the leaf's key;
 * everything else is checked here, so that nothing depends on what OpenSSL was told to check.
 * @param chain leaf first, as presented; a root at its end is ignored, trust comes from the bundle only
 * @param now milliseconds since 1970
 * @returns the SPIFFE ID and the pod, or the first rule that is broken
 */
export function verifyPeer(
  chain: readonly (X509Certificate | Buffer)[],
  bundle: TrustBundle,
  now: number,
): PeerVerdict {
  if (chain.length === 0) return refuse('NO_CERTIFICATE', 'the peer presented no certificate');
  if (chain.length > MAX_CHAIN) return refuse('CHAIN_TOO_LONG', `the chain has more than ${MAX_CHAIN} certificates`);
  let links: Link[];
  try {
    links = chain.map((c) => link(c instanceof X509Certificate ? c : new X509Certificate(c)));
  } catch (error) {
    return refuse('MALFORMED', `a certificate of the chain cannot be read: ${(error as Error).message}`);
  }
  const leaf = links[0]!;
  const identity = leaf.facts.uris[0] ?? '';
  const refusal = checkAny(leaf, now) ?? checkLeaf(leaf.facts, bundle.trustDomain);
  if (refusal !== undefined) return refusal;
  const path = checkPath(links, bundle.roots, now);
  return 'reason' in path ? path : { ok: true, identity, pod: leaf.facts.subjectUid, notAfter: path.notAfter };
}

/**
 * The same for the far end of an established TLS connection. Undefined certificates (a client that sent none) are
 * refused.
 */
export function verifyTlsPeer(socket: TLSSocket, bundle: TrustBundle, now: number): PeerVerdict {
  const chain: X509Certificate[] = [];
  let next = socket.getPeerX509Certificate();
  while (next !== undefined && chain.length <= MAX_CHAIN) {
    chain.push(next);
    const issuer: X509Certificate | undefined = next.issuerCertificate;
    if (issuer === undefined || issuer.raw.equals(next.raw)) break;
    next = issuer;
  }
  return verifyPeer(chain, bundle, now);
}

interface Link {
  readonly certificate: X509Certificate;
  readonly facts: CertificateFacts;
}

type Refused = Extract<PeerVerdict, { ok: false }>;

function refuse(reason: PeerRefusal, message: string): Refused {
  return { ok: false, reason, message };
}

function link(certificate: X509Certificate): Link {
  return { certificate, facts: certificateFacts(certificate) };
}

/** What holds for every certificate on the path, roots included. */
function checkAny({ certificate, facts }: Link, now: number): Refused | undefined {
  const who = facts.uris[0] ?? certificate.subject.replaceAll('\n', ', ');
  if (facts.version !== 3) return refuse('MALFORMED', `the certificate of ${who} is not of version 3`);
  if (facts.notUnderstood.length > 0) {
    const names = facts.notUnderstood.join(', ');
    return refuse('CRITICAL_EXTENSION', `the certificate of ${who} has extensions that are not understood: ${names}`);
  }
  if (!strongKey(certificate.publicKey)) {
    return refuse('WEAK_KEY', `the key of ${who} is neither ECDSA P-256, P-384, P-521 nor RSA of 2048 bits or more`);
  }
  if (!SIGNATURES.has(facts.signatureAlgorithm)) {
    return refuse('WEAK_SIGNATURE', `signature algorithm ${facts.signatureAlgorithm} of ${who} is not accepted`);
  }
  if (now < certificate.validFromDate.getTime()) {
    return refuse('NOT_YET_VALID', `the certificate of ${who} is valid from ${certificate.validFrom} only`);
  }
  if (now > certificate.validToDate.getTime()) {
    return refuse('EXPIRED', `the certificate of ${who} expired at ${certificate.validTo}`);
  }
  return undefined;
}

/** X509-SVID sections 2, 4 and 5.2. */
function checkLeaf(facts: CertificateFacts, trustDomain: string): Refused | undefined {
  if (facts.uris.length !== 1) {
    return refuse('URI_COUNT', `the leaf has ${facts.uris.length} URI names, exactly one is allowed`);
  }
  const id = facts.uris[0]!;
  const domain = SPIFFE_ID.exec(id)?.[1];
  if (domain === undefined || id.length > 2048 || /\/\.{1,2}(?:\/|$)/.test(id)) {
    return refuse('BAD_SPIFFE_ID', `${JSON.stringify(id.slice(0, 256))} is no SPIFFE ID of a workload`);
  }
  if (domain !== trustDomain) {
    return refuse('WRONG_TRUST_DOMAIN', `${id} is not of trust domain ${trustDomain}`);
  }
  if (facts.ca) return refuse('LEAF_IS_CA', `the certificate of ${id} is a CA; a CA cannot be a peer`);
  if (facts.usage === undefined || !facts.usage.digitalSignature || facts.usage.certSign || facts.usage.crlSign) {
    return refuse('KEY_USAGE', `keyUsage of ${id} must have digitalSignature and neither keyCertSign nor cRLSign`);
  }
  const purposes = facts.purposes;
  if (purposes !== undefined && !(purposes.includes(SERVER_AUTH) && purposes.includes(CLIENT_AUTH))) {
    return refuse('EXTENDED_KEY_USAGE', `extendedKeyUsage of ${id} must have both serverAuth and clientAuth`);
  }
  return undefined;
}

/** SPIFFE-ID 2.1 to 2.3: lower-case trust domain, path segments of a small alphabet, nothing else of a URI. */
const SPIFFE_ID = /^spiffe:\/\/([a-z0-9._-]{1,255})(?:\/[A-Za-z0-9._-]+)+$/;

/** Walks from the leaf over the presented intermediates, in their order, to a root of the bundle. */
function checkPath(
  links: readonly Link[],
  roots: readonly X509Certificate[],
  now: number,
): Refused | { readonly notAfter: number } {
  let notAfter = Infinity;
  for (const [depth, current] of links.entries()) {
    notAfter = Math.min(notAfter, current.certificate.validToDate.getTime());
    const root = roots.find((r) => issued(r, current.certificate));
    if (root !== undefined) {
      const anchor = link(root);
      const refusal = checkAny(anchor, now) ?? checkIssuer(anchor, depth);
      return refusal ?? { notAfter: Math.min(notAfter, root.validToDate.getTime()) };
    }
    const next = links[depth + 1];
    if (next === undefined || !issued(next.certificate, current.certificate)) break;
    const refusal = checkAny(next, now) ?? checkIssuer(next, depth);
    if (refusal !== undefined) return refusal;
  }
  return refuse('UNTRUSTED', `the certificate of ${links[0]!.facts.uris[0]} leads to no root that is trusted`);
}

/** @param below number of intermediates between this issuer and the leaf */
function checkIssuer({ certificate, facts }: Link, below: number): Refused | undefined {
  const who = certificate.subject.replaceAll('\n', ', ');
  if (!facts.ca || (facts.usage !== undefined && !facts.usage.certSign)) {
    return refuse('ISSUER_NOT_CA', `${who} signed a certificate but is no CA`);
  }
  if (facts.pathLength !== undefined && below > facts.pathLength) {
    return refuse('PATH_LENGTH', `${who} allows ${facts.pathLength} intermediates below it, the chain has ${below}`);
  }
  return undefined;
}

function issued(issuer: X509Certificate, subject: X509Certificate): boolean {
  return subject.checkIssued(issuer) && subject.verify(issuer.publicKey);
}

/** P-256 and stronger, or RSA of at least 2048 bits. */
export function strongKey(key: KeyObject): boolean {
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'ec') return ['prime256v1', 'secp384r1', 'secp521r1'].includes(namedCurve ?? '');
  return key.asymmetricKeyType === 'rsa' && modulusLength >= 2048;
}
