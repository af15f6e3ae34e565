import type { Signed } from './credentials-client.ts';

/** Where the controller signs. POST JSON `{ request }`, a PEM signing request, with a bearer token. */
export const SIGN_PATH = '/v1/identity/sign';

/** Audience of the service-account tokens that identify a sidecar. */
export const TOKEN_AUDIENCE = 'weft';

export interface RemoteSignerOptions {
  /** One POST to the controller, whom it has verified before anything is sent. */
  readonly post: (
    path: string,
    headers: Readonly<Record<string, string>>,
    body: string,
    signal: AbortSignal,
  ) => Promise<{ readonly status: number; readonly body: string }>;
  /** The projected token, read anew each time: kubelets replace it within the hour. */
  readonly token: () => Promise<string>;
}

/**
 * Has signing requests signed by the controller; what `credentialsClient` calls in a sidecar. The function that it gives
 * back throws what the controller says when it refuses.
 */
export function remoteSigner(
  options: RemoteSignerOptions,
): (signingRequest: string, signal: AbortSignal) => Promise<Signed> {
  return async (request, signal) => {
    const token = (await options.token()).trim();
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const reply = await options.post(SIGN_PATH, headers, JSON.stringify({ request }), signal);
    const answer = parse(reply.body);
    if (reply.status !== 200) {
      const reason = typeof answer['error'] === 'string' ? answer['error'] : 'no reason given';
      throw new Error(`the controller does not sign (${reply.status}): ${reason}`);
    }
    const { certificateChain, trustBundle } = answer;
    const isBundle = Array.isArray(trustBundle) && trustBundle.every((pem) => typeof pem === 'string');
    if (typeof certificateChain !== 'string' || !isBundle) {
      throw new Error('the controller signed, but its answer lacks certificateChain or trustBundle');
    }
    return { certificateChain, trustBundle: trustBundle as string[] };
  };
}

function parse(body: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value === 'object' && value !== null) return value as Readonly<Record<string, unknown>>;
  } catch {
    // told below
  }
  return { error: `the answer is no JSON object: ${body.slice(0, 200)}` };
}
