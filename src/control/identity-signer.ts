import type { Clock } from '../base/clock.ts';
import { silentLog, type Logger } from '../base/log.ts';
import type { Authority } from '../identity/authority.ts';
import { BadPublicKey } from '../identity/public-key.ts';
import { TOKEN_AUDIENCE } from '../identity/remote-signer.ts';
import { spiffeId } from '../mesh/spiffe.ts';
import type { Pod } from '../spec/kubernetes.ts';
import { RateLimiter } from './rate-limiter.ts';

/** What a reviewed token says. */
export type TokenVerdict =
  | {
      readonly authenticated: true;
      readonly namespace: string;
      readonly serviceAccount: string;
      readonly podName?: string;
      readonly podUid?: string;
    }
  | { readonly authenticated: false; readonly reason: string };

export interface IdentitySignerOptions {
  readonly authority: Pick<Authority, 'sign' | 'trustDomain'>;
  /** TokenReview with the given audience. Throws when the API server cannot be asked. */
  readonly reviewToken: (token: string, audience: string, signal: AbortSignal) => Promise<TokenVerdict>;
  /** The pod as the API server has it now; undefined when there is none. */
  readonly findPod: (namespace: string, name: string, signal: AbortSignal) => Promise<Pod | undefined>;
  readonly clock: Clock;
  readonly log?: Logger;
}

export interface SignerReply {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/**
 * Signs a workload's key when a token proves which pod asks. Everything about who it is comes from the token and the
 * pod; the request supplies the public key and nothing else.
 */
export interface IdentitySigner {
  handle(authorization: string | undefined, body: string, signal: AbortSignal): Promise<SignerReply>;
}

/** A sidecar asks every 16 hours; ten at once leave room for crash loops, and one a minute for what follows. */
const BURST = 10;
const REFILL_MS = 60_000;
/** Token reviews under way at once: a swarm of fake sidecars must not become a swarm of API calls. */
const MAX_REVIEWS = 100;

/** Signs for pods. Needs nothing but its options: who may reach it is not its business. */
export function identitySigner(options: IdentitySignerOptions): IdentitySigner {
  const { authority, clock, log = silentLog } = options;
  const limiter = new RateLimiter(clock, { burst: BURST, refillMs: REFILL_MS });
  let reviews = 0;

  async function handle(authorization: string | undefined, body: string, signal: AbortSignal): Promise<SignerReply> {
    const token = /^Bearer ([!-~]{1,16384})$/i.exec(authorization ?? '')?.[1];
    if (token === undefined) return refuse(401, 'send the service-account token as Authorization: Bearer');
    const publicKey = requestOf(body);
    if (publicKey === undefined) return refuse(400, 'the body must be JSON: { "request": "<PEM signing request>" }');
    if (reviews >= MAX_REVIEWS) return refuse(503, 'too many signing requests at once, try again');
    reviews++;
    try {
      const caller = await whoAsks(options, token, signal);
      if ('status' in caller) return caller;
      if (!limiter.take(caller.podUid)) return refuse(429, `pod ${caller.pod} asks too often, try again in a minute`);
      const refusal = await judgePod(options, caller, signal);
      if (refusal !== undefined) return refusal;
      return sign(caller, publicKey);
    } catch (error) {
      log.warn('identity could not be decided', { error: String(error) });
      return refuse(503, 'the API server could not be asked who this is, try again');
    } finally {
      reviews--;
    }
  }

  function sign(caller: Caller, publicKey: string): SignerReply {
    const identity = spiffeId({ trustDomain: authority.trustDomain, ...caller });
    try {
      const { serial, ...signed } = authority.sign({ identity, pod: caller.podUid, publicKey });
      log.info('identity signed', {
        identity,
        pod: caller.pod,
        serial,
        notAfter: new Date(signed.notAfter).toISOString(),
      });
      return { status: 200, body: signed };
    } catch (error) {
      if (error instanceof BadPublicKey) return refuse(400, error.message);
      log.error('identity could not be signed', { identity, error: (error as Error).message });
      return refuse(500, (error as Error).message);
    }
  }

  function refuse(status: number, error: string): SignerReply {
    if (status === 401 || status === 403) log.warn('identity refused', { reason: error });
    return { status, body: { error } };
  }

  return { handle };
}

interface Caller {
  readonly namespace: string;
  readonly serviceAccount: string;
  /** `namespace/name` */
  readonly pod: string;
  readonly podName: string;
  readonly podUid: string;
}

async function whoAsks(
  { reviewToken }: IdentitySignerOptions,
  token: string,
  signal: AbortSignal,
): Promise<Caller | SignerReply> {
  const verdict = await reviewToken(token, TOKEN_AUDIENCE, signal);
  if (!verdict.authenticated) return { status: 401, body: { error: `the token is not accepted: ${verdict.reason}` } };
  const { namespace, serviceAccount, podName, podUid } = verdict;
  if (podName === undefined || podUid === undefined) {
    const error = 'the token is not bound to a pod; use a projected service-account token';
    return { status: 403, body: { error } };
  }
  return { namespace, serviceAccount, pod: `${namespace}/${podName}`, podName, podUid };
}

/** The token may be older than what happened to the pod since. */
async function judgePod(
  { findPod }: IdentitySignerOptions,
  caller: Caller,
  signal: AbortSignal,
): Promise<SignerReply | undefined> {
  const pod = await findPod(caller.namespace, caller.podName, signal);
  const error =
    pod === undefined
      ? `pod ${caller.pod} does not exist`
      : pod.metadata.uid !== caller.podUid
        ? `the token is of another pod that was called ${caller.pod} before`
        : pod.metadata.deletionTimestamp !== undefined
          ? `pod ${caller.pod} is terminating`
          : ['Succeeded', 'Failed'].includes(pod.status.phase)
            ? `pod ${caller.pod} has ended`
            : pod.spec.serviceAccountName !== caller.serviceAccount
              ? `pod ${caller.pod} does not run as service account ${caller.serviceAccount}`
              : undefined;
  return error === undefined ? undefined : { status: 403, body: { error } };
}

function requestOf(body: string): string | undefined {
  try {
    const { request } = JSON.parse(body) as { readonly request?: unknown };
    return typeof request === 'string' ? request : undefined;
  } catch {
    return undefined;
  }
}
