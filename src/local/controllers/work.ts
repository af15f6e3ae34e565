import type { ApiClient, ApiObject, ResourceName } from '../api-client.ts';
import { canonicalJson } from '../../base/content-hash.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';

/** What every controller of local mode is made from. */
export interface ControllerContext {
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** A resource as something a Reconciler can watch. */
export function watchOf(client: ApiClient, resource: ResourceName): { subscribe(listener: () => void): () => void } {
  return { subscribe: (listener) => client.watch(resource, () => listener()) };
}

/** Wakes a reconciler at a later time: for what changes by itself, such as deadlines. */
export class Alarm {
  readonly #clock: Clock;
  readonly #listeners = new Set<() => void>();
  #pending: { readonly atMs: number; readonly cancel: AbortController } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Rings after `ms`, or earlier when an earlier call asked for that. */
  ringIn(ms: number, signal: AbortSignal): void {
    const atMs = this.#clock.now() + ms;
    if (this.#pending !== undefined && this.#pending.atMs <= atMs) return;
    this.#pending?.cancel.abort();
    const cancel = new AbortController();
    const pending = { atMs, cancel };
    this.#pending = pending;
    this.#clock.sleep(ms, AbortSignal.any([signal, cancel.signal])).then(
      () => {
        this.#pending = undefined;
        for (const listener of [...this.#listeners]) listener();
      },
      () => {
        if (this.#pending === pending) this.#pending = undefined;
      },
    );
  }
}

/**
 * Runs `one` for each object. An object whose turn fails is tried again later, alone: it never holds up the others, nor
 * slows them down with its backoff (which is why the error does not reach runReconciler).
 */
export function eachObject(name: string, { log }: Pick<ControllerContext, 'log'>, alarm: Alarm) {
  const failures = new Map<string, number>();
  return async function turn<T extends ApiObject>(
    objects: readonly T[],
    one: (object: T, signal: AbortSignal) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    for (const object of objects) {
      if (signal.aborted) return;
      const key = object.metadata.uid ?? `${object.metadata.namespace ?? ''}/${object.metadata.name}`;
      try {
        await one(object, signal);
        failures.delete(key);
      } catch (error) {
        const count = failures.get(key) ?? 0;
        failures.set(key, count + 1);
        alarm.ringIn(Math.min(30_000, 20 * 2 ** count), signal);
        const fields = { controller: name, object: nameOf(object), error: String(error), attempt: count + 1 };
        if (isConflict(error) || isNotFound(error)) log.debug('object changed meanwhile, will retry', fields);
        else log.warn('object not reconciled, will retry', fields);
      }
    }
  };
}

/** `shop/web`, or `shop` for a cluster-scoped object. */
export function nameOf({ metadata }: ApiObject): string {
  return metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`;
}

export function hasCode(error: unknown, code: number): boolean {
  return typeof error === 'object' && error !== null && (error as { code?: unknown }).code === code;
}

export function isNotFound(error: unknown): boolean {
  return hasCode(error, 404);
}

export function isConflict(error: unknown): boolean {
  return hasCode(error, 409);
}

/** Writes the status when it differs from the stored one. Says whether it did. */
export async function putStatus(
  client: ApiClient,
  resource: ResourceName,
  object: ApiObject,
  status: object,
): Promise<boolean> {
  if (canonicalJson(object.status ?? {}) === canonicalJson(status)) return false;
  await client.updateStatus(resource, { ...object, status });
  return true;
}

/** Deletes unless it is gone already. */
export async function removeObject(client: ApiClient, resource: ResourceName, object: ApiObject): Promise<void> {
  try {
    const { uid } = object.metadata;
    await client.delete(resource, object.metadata.namespace ?? '', object.metadata.name, {
      ...(uid === undefined ? {} : { uid }),
      propagationPolicy: 'Background',
    });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

const SUFFIX_ALPHABET = 'bcdfghjklmnpqrstvwxz2456789'; // as Kubernetes: no vowels, so that no word comes out

/** `length` random characters that may stand in an object's name. */
export function nameSuffix(random: Random, length = 5): string {
  return Array.from({ length }, () => SUFFIX_ALPHABET[Math.floor(random() * SUFFIX_ALPHABET.length)]).join('');
}

/** A number as characters that may stand in an object's name; the same number gives the same characters. */
export function encodeNumber(value: number): string {
  return [...String(value)].map((digit) => SUFFIX_ALPHABET[digit.charCodeAt(0) % SUFFIX_ALPHABET.length]).join('');
}
