import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import { DER, derChildren, derOid, readDer } from '../mesh/der.ts';
import { strongKey } from '../mesh/verify-peer.ts';

/** A request to sign something that must not be signed. `message` says what to do instead. */
export class BadPublicKey extends Error {}

/** Far above any real request; RSA 8192 with a long subject has 3 KB. */
const MAX_REQUEST_BYTES = 16_384;

/** Signature algorithms of signing requests -> digest. */
const DIGESTS: ReadonlyMap<string, string> = new Map([
  ['1.2.840.10045.4.3.2', 'sha256'],
  ['1.2.840.10045.4.3.3', 'sha384'],
  ['1.2.840.10045.4.3.4', 'sha512'],
  ['1.2.840.113549.1.1.11', 'sha256'],
  ['1.2.840.113549.1.1.12', 'sha384'],
  ['1.2.840.113549.1.1.13', 'sha512'],
]);

/**
 * The public key of a PEM signing request (RFC 2986) or of a PEM SubjectPublicKeyInfo. Subject, names and extensions
 * that a request asks for are ignored: who somebody is follows from the token, never from the request.
 * @throws BadPublicKey when it cannot be read, is not signed by its own key, or the key is weak
 */
export function readPublicKey(pem: string): KeyObject {
  if (pem.length > MAX_REQUEST_BYTES) throw new BadPublicKey(`the request is larger than ${MAX_REQUEST_BYTES} bytes`);
  const match = /^\s*-----BEGIN ([A-Z ]+)-----([A-Za-z0-9+/=\s]+)-----END \1-----\s*$/.exec(pem);
  const bytes = Buffer.from(match?.[2] ?? '', 'base64');
  const key = parse(match?.[1], bytes);
  if (!strongKey(key) || key.asymmetricKeyDetails?.namedCurve === 'secp521r1') {
    throw new BadPublicKey('the key is not accepted: use ECDSA P-256 or P-384, or RSA of at least 2048 bits');
  }
  if ((key.asymmetricKeyDetails?.modulusLength ?? 0) > 8192) throw new BadPublicKey('RSA keys end at 8192 bits');
  return key;
}

function parse(label: string | undefined, bytes: Buffer): KeyObject {
  try {
    if (label === 'PUBLIC KEY') return createPublicKey({ key: bytes, format: 'der', type: 'spki' });
    if (label === 'CERTIFICATE REQUEST') return fromSigningRequest(bytes);
  } catch (error) {
    if (error instanceof BadPublicKey) throw error;
    throw new BadPublicKey(`the ${label?.toLowerCase()} cannot be read: ${(error as Error).message}`);
  }
  throw new BadPublicKey('expected PEM with the label CERTIFICATE REQUEST or PUBLIC KEY');
}

function fromSigningRequest(bytes: Buffer): KeyObject {
  const [info, algorithm, signature] = derChildren(readDer(bytes));
  if (info === undefined || algorithm === undefined || signature?.tag !== DER.bitString) {
    throw new BadPublicKey('the certificate request lacks fields');
  }
  const spki = derChildren(info)[2];
  const algorithmId = derChildren(algorithm)[0];
  if (spki === undefined || algorithmId === undefined) throw new BadPublicKey('the certificate request lacks a key');
  const key = createPublicKey({ key: Buffer.from(spki.whole), format: 'der', type: 'spki' });
  const digest = DIGESTS.get(derOid(algorithmId));
  if (digest === undefined || !verify(digest, info.whole, key, signature.content.subarray(1))) {
    throw new BadPublicKey('the certificate request is not signed by the key that it presents');
  }
  return key;
}
