import type { Clock } from '../base/clock.ts';
import type { Diagnostic, ObjectRef } from '../base/diagnostic.ts';
import type { Logger } from '../base/log.ts';
import type { Watch } from '../base/watch.ts';
import type { SmiObject, SnapshotKind, SnapshotObject } from '../spec/read.ts';
import type { Snapshot } from '../spec/snapshot.ts';
import { SNAPSHOT_FIELDS, snapshotKey } from '../spec/snapshot-store.ts';
import { Alarm } from './alarm.ts';
import type { KubernetesApi } from './api.ts';
import {
  type Condition,
  conditionOfFinding,
  type FaultyCondition,
  type Progress,
  sentence,
  type StatusObject,
} from './conditions.ts';
import { EventRecorder } from './event-recorder.ts';
import { inParallel } from './in-parallel.ts';
import { statusKey, StatusWriter } from './status-writer.ts';

export interface ReporterOptions {
  readonly api: Pick<KubernetesApi, 'call'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Only the leader writes. Whoever calls `report` should call it again when this changes. */
  readonly leading: Watch<boolean>;
  /** Name of this replica, for the Events. */
  readonly instance: string;
  /** Which condition a finding makes faulty; undefined: none, it is an Event only. `conditionOfFinding` if not given. */
  readonly conditionOf?: (diagnostic: Diagnostic) => FaultyCondition | undefined;
  /** The conditions that an object had when it was last heard of. Without it each object is asked for once. */
  readonly seen?: (object: StatusObject) => readonly Condition[] | undefined;
}

/** All that there is to tell users at one moment. */
export interface Report {
  readonly snapshot: Snapshot;
  /** Everything that was found, `snapshot.remarks` included. */
  readonly diagnostics: readonly Diagnostic[];
  /** How far an object has got; undefined while that is not known. */
  readonly progress?: (object: SmiObject) => Progress | undefined;
}

/** Writes what was found where users look: into Events and into the status of their SMI objects. */
export interface Reporter {
  /** Level-based: takes the whole truth each time and writes what is new. Throws when the API server cannot be reached. */
  report(report: Report, signal: AbortSignal): Promise<void>;
  /** Changes when something should be said again, or was put off: whoever calls `report` should then do so. */
  readonly due: Pick<Watch<unknown>, 'subscribe'>;
}

const WRITERS = 4;
/** Events run out after an hour: what still holds is said again before that. */
const REPEAT_MS = 45 * 60_000;

export function reporter(options: ReporterOptions): Reporter {
  const { clock, log, leading, conditionOf = conditionOfFinding } = options;
  const events = new EventRecorder(options);
  const statuses = new StatusWriter({ ...options, conditionOf });
  /** Finding -> when it was last said. */
  let said = new Map<string, number>();
  const alarm = new Alarm(clock);

  async function recordEvents({ snapshot, diagnostics }: Report, signal: AbortSignal): Promise<void> {
    const present = new Map(diagnostics.map((d) => [findingKey(d), d]));
    said = new Map([...said].filter(([key]) => present.has(key)));
    const due = [...present].filter(([key]) => clock.now() - (said.get(key) ?? -Infinity) >= REPEAT_MS);
    await inParallel(due, WRITERS, async ([key, diagnostic]) => {
      if (isNamed(diagnostic.object)) await events.record(eventOf(diagnostic, snapshot), signal);
      said.set(key, clock.now());
    });
  }

  async function writeStatuses({ snapshot, diagnostics, progress }: Report, signal: AbortSignal): Promise<void> {
    const findings = Map.groupBy(diagnostics, ({ object }) => `${object.kind}/${object.namespace}/${object.name}`);
    const objects = [...smiObjects(snapshot), ...snapshot.unreadable.values()];
    statuses.keep(new Set(objects.map(statusKey)));
    await inParallel(objects, WRITERS, async (object) => {
      const got = 'unreadable' in object ? undefined : progress?.(object);
      const laterMs = await statuses.write(object, findings.get(statusKey(object)) ?? [], got, signal);
      if (laterMs !== undefined) alarm.set(laterMs, signal);
    });
  }

  return {
    due: alarm.rings,
    async report(report, signal) {
      if (leading.current() !== true) {
        said.clear();
        statuses.forget();
        return;
      }
      const results = await Promise.allSettled([writeStatuses(report, signal), recordEvents(report, signal)]);
      // the world may stand still for longer than an Event lives
      if (said.size > 0) alarm.set(Math.min(...said.values()) + REPEAT_MS, signal);
      const failed = results.find((result) => result.status === 'rejected');
      if (failed === undefined) return;
      log.debug('some of the report could not be written', { error: String(failed.reason) });
      throw failed.reason as Error;
    },
  };
}

function eventOf(diagnostic: Diagnostic, snapshot: Snapshot) {
  return {
    object: withUid(diagnostic.object, snapshot),
    type: diagnostic.level === 'info' ? 'Normal' : 'Warning',
    reason: diagnostic.code,
    message: sentence(diagnostic),
    fieldPath: diagnostic.path,
  } as const;
}

/** `kubectl describe` asks for the Events of one uid. */
function withUid(object: ObjectRef, snapshot: Snapshot): ObjectRef {
  if (object.uid !== undefined || !Object.hasOwn(SNAPSHOT_FIELDS, object.kind)) return object;
  const kind = object.kind as SnapshotKind;
  const found: SnapshotObject | undefined = snapshot[SNAPSHOT_FIELDS[kind]].get(
    snapshotKey(kind, object.namespace, object.name),
  );
  return found === undefined || found.metadata.uid === '' ? object : { ...object, uid: found.metadata.uid };
}

function isNamed(object: ObjectRef): boolean {
  return object.name !== '' && object.kind !== '';
}

function findingKey({ object, code, path, message }: Diagnostic): string {
  return JSON.stringify([object.kind, object.namespace, object.name, object.uid, code, path, message]);
}

function smiObjects(snapshot: Snapshot): SmiObject[] {
  const { trafficTargets, identityBindings, httpRouteGroups, tcpRoutes, udpRoutes, trafficSplits } = snapshot;
  return [trafficTargets, identityBindings, httpRouteGroups, tcpRoutes, udpRoutes, trafficSplits].flatMap(
    (map: ReadonlyMap<string, SmiObject>) => [...map.values()],
  );
}
