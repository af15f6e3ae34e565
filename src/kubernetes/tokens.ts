import { Json } from '../spec/json.ts';
import type { KubernetesApi } from './api.ts';
import { pathOf } from './kinds.ts';

/** Who a service-account token belongs to, as the API server says. */
export interface TokenIdentity {
  readonly authenticated: true;
  readonly namespace: string;
  readonly serviceAccount: string;
  /** The pod that the token was made for; undefined for one that was made for no pod. */
  readonly podName?: string;
  readonly podUid?: string;
}

export interface TokenRefusal {
  readonly authenticated: false;
  readonly reason: string;
}

/** Asks the API server who a token belongs to. */
export type ReviewToken = (
  token: string,
  audience: string,
  signal: AbortSignal,
) => Promise<TokenIdentity | TokenRefusal>;

export interface IssuedToken {
  readonly token: string;
  /** Milliseconds since 1970. */
  readonly expiresAtMs: number;
}

/** Asks the API server for a token of a service account. */
export type RequestToken = (
  request: {
    readonly namespace: string;
    readonly serviceAccount: string;
    readonly audience: string;
    /** At least 600; the server may shorten it. */
    readonly expirationSeconds: number;
    /** Binds the token to the life of this pod. */
    readonly pod?: { readonly name: string; readonly uid: string };
  },
  signal: AbortSignal,
) => Promise<IssuedToken>;

const USER = /^system:serviceaccount:([^:]+):([^:]+)$/;
/** Tokens are a kilobyte or two; more is not worth a question. */
const MAX_TOKEN = 16 * 1024;

/**
 * TokenReview. A token counts only for the audience that was asked for: an API server that does not know audiences replies
 * without any, and such a reply is a refusal, since the token might be for the API server itself.
 * @throws when the API server cannot be asked: that is no refusal
 */
export function tokenReviewer(api: Pick<KubernetesApi, 'call'>): ReviewToken {
  return async (token, audience, signal) => {
    if (token === '' || token.length > MAX_TOKEN) return refusal('the token is empty or too long');
    const body = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token, audiences: [audience] },
    };
    const path = '/apis/authentication.k8s.io/v1/tokenreviews';
    const status = new Json(await api.call({ method: 'POST', path, body }, signal), '', []).at('status');
    if (status.at('authenticated').value !== true) {
      return refusal(status.at('error').optionalString() ?? 'the API server does not know the token');
    }
    if (!(status.at('audiences').strings() ?? []).includes(audience)) {
      return refusal(`the token is not for audience ${JSON.stringify(audience)}`);
    }
    return identityOf(status.at('user'));
  };
}

function identityOf(user: Json): TokenIdentity | TokenRefusal {
  const [, namespace, serviceAccount] = USER.exec(user.at('username').optionalString() ?? '') ?? [];
  if (namespace === undefined || serviceAccount === undefined) return refusal('the token is not of a service account');
  const extra = (key: string) =>
    user.at('extra').at(`authentication.kubernetes.io/${key}`).items()?.[0]?.optionalString();
  const podName = extra('pod-name');
  const podUid = extra('pod-uid');
  return {
    authenticated: true,
    namespace,
    serviceAccount,
    ...(podName === undefined ? {} : { podName }),
    ...(podUid === undefined ? {} : { podUid }),
  };
}

function refusal(reason: string): TokenRefusal {
  return { authenticated: false, reason };
}

/** TokenRequest, through the service account's subresource. */
export function tokenRequester(api: Pick<KubernetesApi, 'call'>): RequestToken {
  return async ({ namespace, serviceAccount, audience, expirationSeconds, pod }, signal) => {
    const boundObjectRef = pod === undefined ? {} : { boundObjectRef: { apiVersion: 'v1', kind: 'Pod', ...pod } };
    const reply = await api.call(
      {
        method: 'POST',
        path: `${pathOf({ apiVersion: 'v1', plural: 'serviceaccounts' }, namespace, serviceAccount)}/token`,
        body: {
          apiVersion: 'authentication.k8s.io/v1',
          kind: 'TokenRequest',
          spec: { audiences: [audience], expirationSeconds, ...boundObjectRef },
        },
      },
      signal,
    );
    const status = new Json(reply, '', []).at('status');
    const token = status.at('token').optionalString();
    const expiresAtMs = Date.parse(status.at('expirationTimestamp').optionalString() ?? '');
    if (token === undefined || Number.isNaN(expiresAtMs)) throw new Error('the API server replied without a token');
    return { token, expiresAtMs };
  };
}
