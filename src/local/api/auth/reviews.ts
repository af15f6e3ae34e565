import { invalidObject, required } from '../errors.ts';
import { isObject, type JsonObject, objectOf, stringOf, stringsOf } from '../json.ts';
import type { Kind, UserInfo } from '../kinds/kind.ts';
import type { Authorizer } from './authorize.ts';
import { ADMIN } from './authenticate.ts';
import { ISSUER, type ServiceAccountTokens } from './service-account-tokens.ts';

export interface ReviewDeps {
  readonly tokens: ServiceAccountTokens;
  readonly isAdminToken: (token: string) => boolean;
  readonly authorizer: Authorizer;
}

/** Answers the kinds that are only ever posted: who is this, may they do that. */
export function review(
  { tokens, isAdminToken, authorizer }: ReviewDeps,
  kind: Kind,
  body: JsonObject,
  user: UserInfo,
): JsonObject {
  const spec = objectOf(body['spec']);
  const answer = (status: JsonObject): JsonObject => ({
    ...body,
    metadata: { creationTimestamp: null, ...objectOf(body['metadata']) },
    status,
  });
  switch (kind.kind) {
    case 'TokenReview':
      return answer(tokenReview(spec, tokens, isAdminToken, kind));
    case 'SelfSubjectReview':
      return answer({ userInfo: printedUser(user) });
    case 'SelfSubjectAccessReview':
      return answer(decision(authorizer, user, spec));
    case 'SelfSubjectRulesReview':
      return answer(authorizer.rules(user, stringOf(spec['namespace'])));
    default:
      return answer(decision(authorizer, subject(spec), spec));
  }
}

function tokenReview(
  spec: JsonObject,
  tokens: ServiceAccountTokens,
  isAdminToken: (t: string) => boolean,
  kind: Kind,
): JsonObject {
  const token = stringOf(spec['token']);
  if (token === '') throw invalidObject(kind.group, kind.kind, '', [required('spec.token')]);
  const audiences = stringsOf(spec['audiences']);
  const asked = audiences.length === 0 ? [ISSUER] : audiences;
  if (isAdminToken(token)) return { authenticated: true, user: printedUser(ADMIN), audiences: asked };
  const identity = tokens.identify(token, asked);
  if (identity === undefined) {
    return {
      authenticated: false,
      user: {},
      error: 'token is not valid: unknown, expired, for another audience, or its account or pod is gone',
    };
  }
  return { authenticated: true, user: printedUser(identity.user), audiences: identity.audiences };
}

function subject(spec: JsonObject): UserInfo {
  return { username: stringOf(spec['user']), uid: stringOf(spec['uid']), groups: stringsOf(spec['groups']), extra: {} };
}

function decision(authorizer: Authorizer, user: UserInfo, spec: JsonObject): JsonObject {
  const resource = spec['resourceAttributes'];
  const path = objectOf(spec['nonResourceAttributes']);
  const attributes = isObject(resource)
    ? {
        verb: stringOf(resource['verb']),
        group: stringOf(resource['group']),
        resource: stringOf(resource['resource']),
        subresource: stringOf(resource['subresource']),
        namespace: stringOf(resource['namespace']),
        name: stringOf(resource['name']),
      }
    : { verb: stringOf(path['verb']), path: stringOf(path['path']) };
  const { allowed, reason } = authorizer.decide(user, attributes);
  return { allowed, ...(reason === '' ? {} : { reason }) };
}

function printedUser({ username, uid, groups, extra }: UserInfo): JsonObject {
  return {
    username,
    ...(uid === '' ? {} : { uid }),
    groups: [...groups],
    ...(Object.keys(extra).length === 0 ? {} : { extra }),
  };
}
