import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { ApiClient, ApiObject } from '../api-client.ts';
import { timestamp } from './conditions.ts';
import { EVENTS } from './resources.ts';

export type EventType = 'Normal' | 'Warning';

export interface EventRecorder {
  /** Tells what happened to an object (`kubectl describe` shows it). Repetitions are counted, not stored again. */
  record(object: ApiObject, type: EventType, reason: string, message: string, fieldPath?: string): void;
  /** Resolves when everything recorded so far is written. */
  flush(): Promise<void>;
}

export interface EventRecorderOptions {
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly log: Logger;
  /** `deployment-controller`, `kubelet`... */
  readonly component: string;
  readonly host?: string;
}

/** Counted repetitions are looked up among at most this many last events. */
const REMEMBERED = 1000;

/** Writes core/v1 Events one after another. An event that cannot be written is logged and lost: nothing waits for it. */
export function eventRecorder({ client, clock, log, component, host }: EventRecorderOptions): EventRecorder {
  const written = new Map<string, { readonly namespace: string; readonly name: string }>();
  let last: Promise<void> = Promise.resolve();
  let serial = 0;

  async function write(object: ApiObject, type: EventType, reason: string, message: string, fieldPath?: string) {
    const { uid = '', name } = object.metadata;
    const namespace = object.metadata.namespace ?? 'default';
    const key = [component, uid, type, reason, message, fieldPath ?? ''].join('|');
    const now = timestamp(clock.now());
    const known = written.get(key);
    const stored = known === undefined ? undefined : client.get(EVENTS, known.namespace, known.name);
    if (stored !== undefined) {
      await client.update(EVENTS, { ...stored, count: Number(stored.count ?? 1) + 1, lastTimestamp: now });
      return;
    }
    const eventName = `${name}.${(clock.now() * 4096 + (serial++ % 4096)).toString(16)}`;
    await client.create(EVENTS, {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: eventName, namespace },
      involvedObject: {
        apiVersion: object.apiVersion,
        kind: object.kind,
        name,
        ...(object.metadata.namespace === undefined ? {} : { namespace }),
        uid,
        ...(object.metadata.resourceVersion === undefined ? {} : { resourceVersion: object.metadata.resourceVersion }),
        ...(fieldPath === undefined ? {} : { fieldPath }),
      },
      type,
      reason,
      message: message.slice(0, 1024),
      source: { component, ...(host === undefined ? {} : { host }) },
      reportingComponent: component,
      reportingInstance: host ?? '',
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
    });
    written.set(key, { namespace, name: eventName });
    const oldest = written.keys().next();
    if (written.size > REMEMBERED && oldest.done !== true) written.delete(oldest.value);
  }

  return {
    record(object, type, reason, message, fieldPath) {
      last = last
        .then(() => write(object, type, reason, message, fieldPath))
        .catch((error: unknown) => log.debug('event not written', { reason, error: String(error) }));
    },
    flush: () => last,
  };
}
