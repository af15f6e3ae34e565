import { randomUUID } from 'node:crypto';
import type { Clock } from '../../../base/clock.ts';
import type { ApiObject } from '../../api-client.ts';
import { type JsonObject, objectOf, stringOf, stringsOf } from '../json.ts';
import type { UserInfo } from '../kinds/kind.ts';
import type { Store } from '../store/store.ts';
import type { JwtSigner } from './jwt.ts';

export const ISSUER = 'https://kubernetes.default.svc.cluster.local';

/** Whose token it is to be. */
export interface TokenSubject {
  readonly account: ApiObject;
  /** The token dies with this object (a Pod or Secret). */
  readonly boundTo?: { readonly kind: 'Pod' | 'Secret'; readonly object: ApiObject };
  readonly audiences: readonly string[];
  readonly seconds: number;
}

export interface Identity {
  readonly user: UserInfo;
  /** For which audiences the token is good, of those asked about. */
  readonly audiences: readonly string[];
}

export interface ServiceAccountTokens {
  issue(subject: TokenSubject): { readonly token: string; readonly expires: number };
  /**
   * Who presents this token, when it is good for one of `audiences`; undefined when it is not one of ours, has expired,
   * or its account or bound object is gone.
   */
  identify(token: string, audiences: readonly string[]): Identity | undefined;
}

export function serviceAccountTokens(signer: JwtSigner, store: Store, clock: Clock): ServiceAccountTokens {
  return {
    issue({ account, boundTo, audiences, seconds }) {
      const now = Math.floor(clock.now() / 1000);
      const { namespace = '', name, uid = '' } = account.metadata;
      const bound = boundTo === undefined ? {} : boundClaim(boundTo);
      const claims = {
        aud: audiences.length === 0 ? [ISSUER] : audiences,
        exp: now + seconds,
        iat: now,
        iss: ISSUER,
        jti: randomUUID(),
        'kubernetes.io': { namespace, ...bound, serviceaccount: { name, uid } },
        nbf: now,
        sub: `system:serviceaccount:${namespace}:${name}`,
      };
      return { token: signer.sign(claims), expires: (now + seconds) * 1000 };
    },
    identify(token, audiences) {
      const claims = signer.verify(token);
      if (claims === undefined || !current(claims, clock.now())) return undefined;
      const good = stringsOf(claims['aud']).filter((a) => audiences.includes(a));
      const user = good.length === 0 ? undefined : userOf(claims, store);
      return user === undefined ? undefined : { user, audiences: good };
    },
  };
}

function boundClaim({ kind, object }: NonNullable<TokenSubject['boundTo']>): JsonObject {
  const { name, uid } = object.metadata;
  const node = stringOf(objectOf(object['spec'])['nodeName']);
  const onNode = kind === 'Pod' && node !== '' ? { node: { name: node } } : {};
  return { ...onNode, [kind.toLowerCase()]: { name, uid } };
}

function current(claims: JsonObject, nowMs: number): boolean {
  const { exp, nbf, iss } = claims;
  return (
    iss === ISSUER &&
    typeof exp === 'number' &&
    exp * 1000 > nowMs &&
    (typeof nbf !== 'number' || nbf * 1000 <= nowMs + 60_000)
  );
}

/** The account and what the token is bound to must still be the very same objects. */
function userOf(claims: JsonObject, store: Store): UserInfo | undefined {
  const own = objectOf(claims['kubernetes.io']);
  const namespace = stringOf(own['namespace']);
  const account = objectOf(own['serviceaccount']);
  if (!lives(store, '/serviceaccounts', namespace, account)) return undefined;
  const [pod, secret] = [own['pod'], own['secret']];
  if (pod !== undefined && !lives(store, '/pods', namespace, objectOf(pod))) return undefined;
  if (secret !== undefined && !lives(store, '/secrets', namespace, objectOf(secret))) return undefined;
  const extra: Record<string, string[]> = {
    'authentication.kubernetes.io/credential-id': [`JTI=${stringOf(claims['jti'])}`],
  };
  if (pod !== undefined) {
    extra['authentication.kubernetes.io/pod-name'] = [stringOf(objectOf(pod)['name'])];
    extra['authentication.kubernetes.io/pod-uid'] = [stringOf(objectOf(pod)['uid'])];
  }
  return {
    username: `system:serviceaccount:${namespace}:${stringOf(account['name'])}`,
    uid: stringOf(account['uid']),
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
    extra,
  };
}

function lives(store: Store, resource: string, namespace: string, { name, uid }: JsonObject): boolean {
  const object = store.resource(resource).get(namespace, stringOf(name));
  return object !== undefined && object.metadata.uid === uid;
}
