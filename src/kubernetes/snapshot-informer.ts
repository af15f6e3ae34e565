import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { type Watch, WatchSource } from '../base/watch.ts';
import { Json } from '../spec/json.ts';
import type { SnapshotKind } from '../spec/read.ts';
import type { Snapshot } from '../spec/snapshot.ts';
import { SnapshotStore } from '../spec/snapshot-store.ts';
import type { KubernetesApi } from './api.ts';
import { type WatchedKind, watchedKinds } from './kinds.ts';
import type { Condition, StatusObject } from './conditions.ts';
import { type ListWatchOptions, type ObjectSink, runListWatch } from './list-watch.ts';
import { SeenConditions } from './seen-conditions.ts';

export interface SnapshotInformerOptions extends Pick<ListWatchOptions, 'minBackoffMs' | 'maxBackoffMs'> {
  readonly api: Pick<KubernetesApi, 'call' | 'lines'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Changes within this time after the first become one Snapshot. */
  readonly settleMs?: number;
  /** While changes go on, there is a Snapshot this often, after a few at once: each is compiled and sent to every sidecar. */
  readonly paceMs?: number;
}

export interface SnapshotInformer {
  /** Undefined until every kind has been listed once: a Snapshot without the Services would drop live traffic. */
  readonly snapshots: Watch<Snapshot>;
  /** The conditions of an object when it was last heard of. No part of Snapshots: to write them must not make a new one. */
  conditions(object: StatusObject): readonly Condition[] | undefined;
  /** Follows the API server until aborted; survives whatever happens to it. */
  run(signal: AbortSignal): Promise<void>;
}

/** A route group, a target, a split: objects that somebody applies together. */
const AT_ONCE = 3;

/** What the API server holds, as Snapshots. */
export function snapshotInformer(options: SnapshotInformerOptions): SnapshotInformer {
  const { clock, log, settleMs = 15, paceMs = 250 } = options;
  const store = new SnapshotStore();
  const snapshots = new WatchSource<Snapshot>();
  const kinds = watchedKinds();
  const statuses = new SeenConditions();
  const unlisted = new Set<SnapshotKind>(kinds.map(({ kind }) => kind));
  let settling = false;
  /** Snapshots that need not wait for the pace, as of `countedAtMs`. */
  let atOnce = AT_ONCE;
  let countedAtMs = clock.now();

  function changed(signal: AbortSignal): void {
    if (settling || unlisted.size > 0) return;
    settling = true;
    const now = clock.now();
    atOnce = Math.min(AT_ONCE, atOnce + (now - countedAtMs) / paceMs);
    countedAtMs = now;
    clock.sleep(Math.max(settleMs, (1 - atOnce) * paceMs), signal).then(publish, () => undefined);
  }

  function publish(): void {
    settling = false;
    atOnce -= 1;
    snapshots.set(store.snapshot());
  }

  function listed(kind: SnapshotKind): void {
    if (!unlisted.delete(kind) || unlisted.size > 0) return;
    publish();
    const { services, pods, trafficTargets, trafficSplits } = store.snapshot();
    const sizes = { services, pods, trafficTargets, trafficSplits };
    log.info('in step with the API server', Object.fromEntries(Object.entries(sizes).map(([k, map]) => [k, map.size])));
  }

  function sinkOf({ kind, apiVersion }: WatchedKind, signal: AbortSignal): ObjectSink {
    const hints = { kind, apiVersion };
    const told = /^[a-z]+\.smi-spec\.io\//.test(apiVersion) ? statuses : undefined; // nobody asks for those of others
    return {
      replace(objects) {
        store.replace(kind, objects, hints);
        told?.replace(kind, objects);
        listed(kind);
        changed(signal);
      },
      upsert(object) {
        store.upsert(object, hints);
        told?.upsert(kind, object);
        changed(signal);
      },
      delete(object) {
        const meta = new Json(object, '', []).at('metadata');
        told?.delete(kind, object);
        store.delete(kind, meta.at('namespace').optionalString() ?? '', meta.at('name').optionalString() ?? '');
        changed(signal);
      },
    };
  }

  return {
    snapshots,
    conditions: (object) => statuses.of(object),
    async run(signal) {
      await Promise.all(
        kinds.map((watched) => runListWatch({ ...options, watched, sink: sinkOf(watched, signal) }, signal)),
      );
    },
  };
}
