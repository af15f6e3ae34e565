import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { isObject, type JsonObject } from '../json.ts';

/** Signs and checks JWTs with one P-256 key (ES256), as a cluster's service-account issuer does. */
export interface JwtSigner {
  sign(claims: JsonObject): string;
  /** The claims of a token that this key has signed; undefined for any other string. Says nothing about expiry. */
  verify(token: string): JsonObject | undefined;
  /** The public key as a JSON Web Key Set. */
  readonly jwks: JsonObject;
}

/** A new private key, PEM. */
export function newSigningKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
}

/** @throws when `pem` is no P-256 private key */
export function jwtSigner(pem: string): JwtSigner {
  const key = createPrivateKey(pem);
  const publicKey = createPublicKey(key);
  const jwk = publicKey.export({ format: 'jwk' });
  if (jwk.crv !== 'P-256') throw new Error('the service-account signing key has to be a P-256 key');
  const kid = createHash('sha256')
    .update(JSON.stringify({ crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y }))
    .digest('base64url');
  const header = encode({ alg: 'ES256', kid });
  return {
    sign(claims) {
      const text = `${header}.${encode(claims)}`;
      return `${text}.${signature(text, key)}`;
    },
    verify(token) {
      const parts = token.split('.');
      const [head = '', body = '', mac = ''] = parts;
      if (parts.length !== 3 || head !== header) return undefined; // one key, one algorithm: nothing to negotiate
      const good = verify(
        'sha256',
        Buffer.from(`${head}.${body}`),
        { key: publicKey, dsaEncoding: 'ieee-p1363' },
        Buffer.from(mac, 'base64url'),
      );
      return good ? decodeClaims(body) : undefined;
    },
    jwks: { keys: [{ use: 'sig', kty: jwk.kty, kid, alg: 'ES256', crv: jwk.crv, x: jwk.x, y: jwk.y }] },
  };
}

function signature(text: string, key: KeyObject): string {
  return sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url');
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function decodeClaims(body: string): JsonObject | undefined {
  try {
    const claims: unknown = JSON.parse(Buffer.from(body, 'base64url').toString('utf8'));
    return isObject(claims) ? claims : undefined;
  } catch {
    return undefined;
  }
}
