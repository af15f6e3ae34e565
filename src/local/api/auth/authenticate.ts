import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { ApiError } from '../../api-error.ts';
import type { UserInfo } from '../kinds/kind.ts';
import { ISSUER, type ServiceAccountTokens } from './service-account-tokens.ts';

export const ADMIN: UserInfo = {
  username: 'admin',
  uid: '',
  groups: ['system:masters', 'system:authenticated'],
  extra: {},
};

/** Finds out who sent a request. @throws ApiError 401 for strangers; there are no anonymous users here */
export function authenticator(
  adminToken: string,
  tokens: ServiceAccountTokens,
): (request: IncomingMessage) => UserInfo {
  const admin = digest(adminToken);
  return (request) => {
    const token = bearer(request);
    const user = timingSafeEqual(digest(token), admin) ? ADMIN : tokens.identify(token, [ISSUER])?.user;
    if (user === undefined) throw unauthorized();
    return impersonated(request, user);
  };
}

/** WebSocket clients in browsers cannot set headers: Kubernetes lets them send the token as a subprotocol. */
function bearer(request: IncomingMessage): string {
  const header = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '');
  if (header?.[1] !== undefined) return header[1];
  const protocols = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((p) => p.trim());
  const prefix = 'base64url.bearer.authorization.k8s.io.';
  const protocol = protocols.find((p) => p.startsWith(prefix));
  return protocol === undefined ? '' : Buffer.from(protocol.slice(prefix.length), 'base64url').toString('utf8');
}

/** `kubectl --as`: for administrators only. */
function impersonated(request: IncomingMessage, user: UserInfo): UserInfo {
  const name = request.headers['impersonate-user'];
  if (typeof name !== 'string' || name === '') return user;
  if (!user.groups.includes('system:masters')) {
    const message = `users "${name}" is forbidden: User "${user.username}" cannot impersonate resource "users" in API group "" at the cluster scope`;
    throw new ApiError(403, 'Forbidden', message, { name, kind: 'users' });
  }
  const groups = request.headersDistinct['impersonate-group'] ?? [];
  const account = /^system:serviceaccount:([^:]+):[^:]+$/.exec(name);
  const implied = account === null ? [] : ['system:serviceaccounts', `system:serviceaccounts:${account[1]}`];
  return { username: name, uid: '', groups: [...new Set([...groups, ...implied, 'system:authenticated'])], extra: {} };
}

export function unauthorized(): ApiError {
  return new ApiError(401, 'Unauthorized', 'Unauthorized');
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
