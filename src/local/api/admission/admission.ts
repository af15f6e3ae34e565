import type { ApiObject } from '../../api-client.ts';
import type { Kind, RequestContext } from '../kinds/kind.ts';

export type Operation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';

/** One write on its way into the store. */
export interface AdmissionRequest {
  readonly operation: Operation;
  readonly kind: Kind;
  readonly version: string;
  /** Empty for the object itself. */
  readonly subresource: string;
  readonly namespace: string;
  /** Empty while the server has not made one up. */
  readonly name: string;
  /** What would be stored; undefined on DELETE. */
  readonly object: ApiObject | undefined;
  /** What is stored; undefined on CREATE. */
  readonly oldObject: ApiObject | undefined;
  readonly context: RequestContext;
}

/**
 * An in-process admission step. Mutating ones run first, in order, each seeing what the last returned; validating ones
 * after the object was found valid. To refuse, throw an ApiError.
 */
export interface AdmissionPlugin {
  readonly name: string;
  /** Returns the changed object, or undefined to leave it. Must not change `request.object` in place. */
  mutate?(request: AdmissionRequest): Promise<ApiObject | undefined> | ApiObject | undefined;
  validate?(request: AdmissionRequest): Promise<void> | void;
}

/** Runs all mutating steps and returns the object that comes out. */
export async function mutate(
  plugins: readonly AdmissionPlugin[],
  request: AdmissionRequest,
): Promise<ApiObject | undefined> {
  let object = request.object;
  for (const plugin of plugins) {
    if (plugin.mutate === undefined) continue;
    object = (await plugin.mutate({ ...request, object })) ?? object;
  }
  return object;
}

/** Runs all validating steps; the first refusal is thrown. */
export async function validate(plugins: readonly AdmissionPlugin[], request: AdmissionRequest): Promise<void> {
  for (const plugin of plugins) await plugin.validate?.(request);
}
