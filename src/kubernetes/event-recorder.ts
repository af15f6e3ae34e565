import { createHash } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import type { ObjectRef } from '../base/diagnostic.ts';
import { Json } from '../spec/json.ts';
import { type KubernetesApi, MERGE_PATCH } from './api.ts';
import { isConflict, isNotFound, KubernetesError } from './error.ts';

export interface EventRecorderOptions {
  readonly api: Pick<KubernetesApi, 'call'>;
  readonly clock: Clock;
  /** Which replica speaks. */
  readonly instance: string;
}

export interface RecordedEvent {
  readonly object: ObjectRef;
  readonly type: 'Normal' | 'Warning';
  /** One CamelCase word, for programs. */
  readonly reason: string;
  readonly message: string;
  readonly fieldPath?: string;
}

export const COMPONENT = 'weft-controller';
/** As client-go's correlator: so many events about one object at once, then one every five minutes. */
const BURST = 25;
const REFILL_MS = 5 * 60_000;
/** The API server refuses longer ones. */
const MAX_MESSAGE = 1_024;

interface Bucket {
  tokens: number;
  atMs: number;
}

/**
 * Writes core/v1 Events, which `kubectl describe` shows. The name of an Event is made from what it says about which object,
 * so saying it again raises its count, also after a restart and from another replica.
 */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: EventRecorderOptions) {
    this.#options = options;
  }

  /** Says it. Gives back false when so much was said about the object lately that this was left out. */
  async record(event: RecordedEvent, signal: AbortSignal): Promise<boolean> {
    const { object } = event;
    if (!this.#admit(`${object.kind}/${object.namespace}/${object.name}/${object.uid ?? ''}`)) return false;
    const namespace = object.namespace === '' ? 'default' : object.namespace;
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/events`;
    const name = eventName(event);
    try {
      await this.#options.api.call({ method: 'POST', path, body: this.#eventObject(event, namespace, name) }, signal);
    } catch (error) {
      if (isUnwritable(error)) return false;
      if (!isConflict(error)) throw error;
      await this.#repeat(`${path}/${name}`, signal);
    }
    return true;
  }

  async #repeat(path: string, signal: AbortSignal): Promise<void> {
    try {
      const raw = new Json(await this.#options.api.call({ method: 'GET', path }, signal), '', []);
      const count = (raw.at('count').optionalNumber() ?? 1) + 1;
      const body = { count, lastTimestamp: this.#now() };
      await this.#options.api.call({ method: 'PATCH', path, body, contentType: MERGE_PATCH }, signal);
    } catch (error) {
      if (!isNotFound(error)) throw error; // it ran out in between: said long enough ago
    }
  }

  #eventObject({ object, type, reason, message, fieldPath }: RecordedEvent, namespace: string, name: string) {
    const { apiVersion, kind, uid } = object;
    const now = this.#now();
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name, namespace },
      involvedObject: {
        apiVersion,
        kind,
        name: object.name,
        ...(object.namespace === '' ? {} : { namespace: object.namespace }),
        ...(uid === undefined ? {} : { uid }),
        ...(fieldPath === undefined || fieldPath === '' ? {} : { fieldPath }),
      },
      type,
      reason,
      message: message.length <= MAX_MESSAGE ? message : `${message.slice(0, MAX_MESSAGE - 1)}…`,
      source: { component: COMPONENT },
      reportingComponent: COMPONENT,
      reportingInstance: this.#options.instance,
      count: 1,
      firstTimestamp: now,
      lastTimestamp: now,
    };
  }

  /** metav1.Time has whole seconds. */
  #now(): string {
    return new Date(this.#options.clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
  }

  #admit(key: string): boolean {
    const now = this.#options.clock.now();
    const bucket = this.#buckets.get(key) ?? { tokens: BURST, atMs: now };
    const refilled = Math.floor((now - bucket.atMs) / REFILL_MS);
    bucket.tokens = Math.min(BURST, bucket.tokens + refilled);
    bucket.atMs = bucket.tokens === BURST ? now : bucket.atMs + refilled * REFILL_MS;
    this.#buckets.delete(key); // set anew: the map stays sorted by last use
    this.#buckets.set(key, bucket);
    this.#forgetFull(now);
    if (bucket.tokens === 0) return false;
    bucket.tokens -= 1;
    return true;
  }

  /** The oldest buckets, which have long been full again, are forgotten. */
  #forgetFull(now: number): void {
    for (const [key, bucket] of this.#buckets) {
      if (now - bucket.atMs < BURST * REFILL_MS) return;
      this.#buckets.delete(key);
    }
  }
}

/** A namespace that is going away takes no new objects, and one that is gone has none to speak about. */
function isUnwritable(error: unknown): boolean {
  return (
    isNotFound(error) ||
    (error instanceof KubernetesError && error.status === 403 && error.message.includes('terminat'))
  );
}

/** The same for the same words about the same object, on every replica. */
function eventName({ object, type, reason, message, fieldPath }: RecordedEvent): string {
  const identity = [object.kind, object.uid, object.namespace, object.name, type, reason, fieldPath, message];
  const hash = createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 16);
  return `${object.name.slice(0, 230)}.${hash}`;
}
