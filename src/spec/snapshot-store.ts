import { isDeepStrictEqual } from 'node:util';
import type { Diagnostic } from '../base/diagnostic.ts';
import { HUB_VERSIONS } from './convert.ts';
import { Json } from './json.ts';
import { readMeta } from './read-meta.ts';
import { readObject, type ReadHints, type SmiObject, type SnapshotKind, type SnapshotObject } from './read.ts';
import { emptySnapshot, type Snapshot, type UnreadableObject } from './snapshot.ts';

type MapField = Exclude<keyof Snapshot, 'unreadable' | 'remarks'>;

/** Every kind that a Snapshot holds, and the map that holds it. */
export const SNAPSHOT_FIELDS: Readonly<Record<SnapshotKind, MapField>> = {
  Namespace: 'namespaces',
  ServiceAccount: 'serviceAccounts',
  Service: 'services',
  EndpointSlice: 'endpointSlices',
  Pod: 'pods',
  ReplicaSet: 'workloadOwners',
  Job: 'workloadOwners',
  TrafficTarget: 'trafficTargets',
  IdentityBinding: 'identityBindings',
  HTTPRouteGroup: 'httpRouteGroups',
  TCPRoute: 'tcpRoutes',
  UDPRoute: 'udpRoutes',
  TrafficSplit: 'trafficSplits',
};

/** The key of an object in its map of the Snapshot. */
export function snapshotKey(kind: SnapshotKind, namespace: string, name: string): string {
  if (kind === 'Namespace') return name;
  return SNAPSHOT_FIELDS[kind] === 'workloadOwners' ? `${kind}/${namespace}/${name}` : `${namespace}/${name}`;
}

interface Remarks {
  readonly uid: string;
  readonly resourceVersion: string;
  readonly diagnostics: readonly Diagnostic[];
  /** Undefined: it could be read, or is none of SMI. */
  readonly unreadable: UnreadableObject | undefined;
}

/**
 * Where changes of objects become Snapshots. Snapshots handed out never change: the first change after `snapshot()`
 * copies the one map that it concerns, later ones work on the copy, so that a batch costs one copy per kind. An object
 * that did not change in anything that is read keeps its identity: heartbeats of pods, annotations of leader elections in
 * EndpointSlices, and Weft's own status conditions change nothing.
 */
export class SnapshotStore {
  #snapshot: Snapshot;
  readonly #changed = new Map<MapField, Map<string, SnapshotObject>>();
  /** By kind and key: what was said while reading. Also remembers versions of objects that could not be read. */
  readonly #remarks = new Map<string, Remarks>();
  #remarksChanged = false;

  constructor(initial: Snapshot = emptySnapshot) {
    this.#snapshot = initial;
  }

  /** Takes in one object as it came from the API server or from a file. One that cannot be read removes its elder. */
  upsert(raw: unknown, hints: ReadHints & { readonly kind: SnapshotKind }): void {
    const seen = versionOf(raw);
    const { kind } = hints;
    const key = snapshotKey(kind, seen.namespace, seen.name);
    if (seen.resourceVersion !== '' && this.#knows(kind, key, seen)) return;
    const { object, diagnostics } = readObject(raw, hints);
    if (object !== undefined && object.kind === kind) this.#set(kind, key, object);
    else this.#unset(kind, key);
    const unreadable = object === undefined ? unreadableObject(kind, raw) : undefined;
    this.#remark(`${kind}/${key}`, diagnostics.length === 0 ? undefined : { ...seen, diagnostics, unreadable });
  }

  delete(kind: SnapshotKind, namespace: string, name: string): void {
    const key = snapshotKey(kind, namespace, name);
    this.#unset(kind, key);
    this.#remark(`${kind}/${key}`, undefined);
  }

  /** Makes `raws` all that there is of a kind, as after a list. */
  replace(kind: SnapshotKind, raws: readonly unknown[], hints: ReadHints = {}): void {
    const listed = new Set<string>();
    for (const raw of raws) {
      const { namespace, name } = versionOf(raw);
      listed.add(snapshotKey(kind, namespace, name));
      this.upsert(raw, { ...hints, kind });
    }
    for (const [key, object] of this.#map(kind)) {
      if (object.kind === kind && !listed.has(key)) this.delete(kind, object.metadata.namespace, object.metadata.name);
    }
    for (const id of this.#remarks.keys()) {
      if (id.startsWith(`${kind}/`) && !listed.has(id.slice(kind.length + 1))) this.#remark(id, undefined);
    }
  }

  /** What there is now. The same value as before when nothing changed in between. */
  snapshot(): Snapshot {
    if (this.#changed.size === 0 && !this.#remarksChanged) return this.#snapshot;
    this.#snapshot = {
      ...this.#snapshot,
      ...Object.fromEntries(this.#changed),
      ...(this.#remarksChanged ? { unreadable: this.#allUnreadable(), remarks: this.#allRemarks() } : {}),
    };
    this.#changed.clear();
    this.#remarksChanged = false;
    return this.#snapshot;
  }

  #map(kind: SnapshotKind): ReadonlyMap<string, SnapshotObject> {
    const field = SNAPSHOT_FIELDS[kind];
    return this.#changed.get(field) ?? this.#snapshot[field];
  }

  #knows(kind: SnapshotKind, key: string, seen: Version): boolean {
    const known = this.#map(kind).get(key)?.metadata ?? this.#remarks.get(`${kind}/${key}`);
    return known !== undefined && known.resourceVersion === seen.resourceVersion && known.uid === seen.uid;
  }

  #set(kind: SnapshotKind, key: string, object: SnapshotObject): void {
    const elder = this.#map(kind).get(key);
    if (elder === undefined || !sameMeaning(elder, object)) this.#own(kind).set(key, object);
  }

  #unset(kind: SnapshotKind, key: string): void {
    if (this.#map(kind).has(key)) this.#own(kind).delete(key);
  }

  /** The map of a kind, copied if it is part of a Snapshot that was handed out. */
  #own(kind: SnapshotKind): Map<string, SnapshotObject> {
    const field = SNAPSHOT_FIELDS[kind];
    let map = this.#changed.get(field);
    if (map === undefined) this.#changed.set(field, (map = new Map<string, SnapshotObject>(this.#snapshot[field])));
    return map;
  }

  #remark(id: string, remarks: Remarks | undefined): void {
    if (remarks === undefined) this.#remarksChanged = this.#remarks.delete(id) || this.#remarksChanged;
    else {
      const elder = this.#remarks.get(id);
      this.#remarksChanged ||= elder === undefined || !sameRemarks(elder, remarks);
      this.#remarks.set(id, remarks);
    }
  }

  #allUnreadable(): Map<string, UnreadableObject> {
    const found = new Map<string, UnreadableObject>();
    for (const [id, { unreadable }] of this.#remarks) if (unreadable !== undefined) found.set(id, unreadable);
    return found;
  }

  #allRemarks(): Diagnostic[] {
    return [...this.#remarks.keys()].sort().flatMap((id) => this.#remarks.get(id)?.diagnostics ?? []);
  }
}

/** Whether two readings of one object differ in nothing but the resourceVersion. */
function sameMeaning(a: SnapshotObject, b: SnapshotObject): boolean {
  return isDeepStrictEqual(unversioned(a), unversioned(b));
}

function sameRemarks(a: Remarks, b: Remarks): boolean {
  const plain = ({ uid, diagnostics, unreadable }: Remarks) => [
    uid,
    diagnostics,
    unreadable && unversioned(unreadable),
  ];
  return isDeepStrictEqual(plain(a), plain(b));
}

function unversioned<T extends Pick<SnapshotObject, 'metadata'>>(object: T): T {
  return { ...object, metadata: { ...object.metadata, resourceVersion: '' } };
}

function unreadableObject(kind: SnapshotKind, raw: unknown): UnreadableObject | undefined {
  if (!HUB_VERSIONS.has(kind)) return undefined;
  const metadata = readMeta(new Json(raw, '', []).at('metadata'));
  return { kind: kind as SmiObject['kind'], metadata, unreadable: true };
}

interface Version {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
}

function versionOf(raw: unknown): Version {
  const meta = new Json(raw, '', []).at('metadata');
  const text = (key: string) => meta.at(key).optionalString() ?? '';
  return {
    namespace: text('namespace'),
    name: text('name'),
    uid: text('uid'),
    resourceVersion: text('resourceVersion'),
  };
}
