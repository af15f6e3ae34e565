import { type JsonObject, objectsOf, stringOf, stringsOf } from '../json.ts';
import { ALL_VERBS, apiVersionOf, type Kind } from '../kinds/kind.ts';
import type { KindTable } from '../kinds/kind-table.ts';

interface Subresource {
  readonly name: string;
  readonly kind: string;
  readonly group?: string;
  readonly version?: string;
  readonly verbs: readonly string[];
}

/** Subresources with a fixed place, by `group/resource`. */
const EXTRA: Readonly<Record<string, readonly Subresource[]>> = {
  '/namespaces': [{ name: 'finalize', kind: 'Namespace', verbs: ['update'] }],
  '/pods': [
    { name: 'attach', kind: 'PodAttachOptions', verbs: ['create', 'get'] },
    { name: 'binding', kind: 'Binding', verbs: ['create'] },
    { name: 'ephemeralcontainers', kind: 'Pod', verbs: ['get', 'patch', 'update'] },
    { name: 'eviction', kind: 'Eviction', group: 'policy', version: 'v1', verbs: ['create'] },
    { name: 'exec', kind: 'PodExecOptions', verbs: ['create', 'get'] },
    { name: 'log', kind: 'Pod', verbs: ['get'] },
    { name: 'portforward', kind: 'PodPortForwardOptions', verbs: ['create', 'get'] },
  ],
  '/serviceaccounts': [
    { name: 'token', kind: 'TokenRequest', group: 'authentication.k8s.io', version: 'v1', verbs: ['create'] },
  ],
};

const CHANGE = ['get', 'patch', 'update'];

/** All subresources of one kind in one version. */
export function subresources(kind: Kind, version: string): Subresource[] {
  const scale = { name: 'scale', kind: 'Scale', group: 'autoscaling', version: 'v1', verbs: CHANGE };
  return [
    ...(EXTRA[`${kind.group}/${kind.resource}`] ?? []),
    ...(kind.scale(version) === undefined ? [] : [scale]),
    ...(kind.status(version) ? [{ name: 'status', kind: kind.kind, verbs: CHANGE }] : []),
  ];
}

/** `GET /api/v1`, `GET /apis/apps/v1`. */
export function resourceList(kinds: KindTable, group: string, version: string) {
  const served = kinds.all().filter((k) => k.group === group && k.versions.includes(version));
  const resources = served
    .sort((a, b) => (a.resource < b.resource ? -1 : 1))
    .flatMap((kind) => [
      {
        name: kind.resource,
        singularName: kind.singular,
        namespaced: kind.namespaced,
        kind: kind.kind,
        verbs: verbs(kind),
        ...(kind.shortNames.length === 0 ? {} : { shortNames: kind.shortNames }),
        ...(kind.categories.length === 0 ? {} : { categories: kind.categories }),
        ...(kind.verbs.includes('list') ? { storageVersionHash: storageHash(kind) } : {}),
      },
      ...subresources(kind, version).map((s) => ({
        name: `${kind.resource}/${s.name}`,
        singularName: '',
        namespaced: kind.namespaced,
        ...(s.group === undefined ? {} : { group: s.group, version: s.version }),
        kind: s.kind,
        verbs: s.verbs,
      })),
    ]);
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: apiVersionOf(group, version), resources };
}

export interface Group {
  readonly name: string;
  readonly versions: readonly string[];
}

/** Every named group with its versions, preferred first. */
export function groupsOf(kinds: KindTable): Group[] {
  const groups = new Map<string, Set<string>>();
  for (const kind of kinds.all()) {
    if (kind.group === '') continue;
    const versions = groups.get(kind.group) ?? new Set<string>();
    for (const version of kind.versions) versions.add(version);
    groups.set(kind.group, versions);
  }
  return [...groups].map(([name, versions]) => ({ name, versions: [...versions].sort(compareVersions) }));
}

/** One entry of `GET /apis`, or `GET /apis/{group}`. */
export function groupEntry({ name, versions }: Group) {
  const all = versions.map((version) => ({ groupVersion: `${name}/${version}`, version }));
  return { name, versions: all, preferredVersion: all[0] };
}

/** Aggregated discovery (`apidiscovery.k8s.io/v2`) of some groups; the core group is called ''. */
export function aggregated(
  kinds: KindTable,
  groups: readonly Group[],
  version: 'v2' | 'v2beta1',
  remote: ReadonlyMap<string, JsonObject> = new Map(),
) {
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: groups.map(({ name, versions }) => ({
      metadata: name === '' ? {} : { name },
      versions: versions.map((v) => ({
        version: v,
        resources: resourcesOf(kinds, remote, name, v),
        freshness: 'Current',
      })),
    })),
  };
}

function resourcesOf(kinds: KindTable, remote: ReadonlyMap<string, JsonObject>, group: string, version: string) {
  const list = remote.get(`${group}/${version}`);
  return list === undefined ? aggregatedResources(kinds, group, version) : remoteResources(list, group, version);
}

/** An APIResourceList in the form of aggregated discovery. */
function remoteResources(list: JsonObject, group: string, version: string) {
  const all = objectsOf(list['resources']);
  const kindOf = (r: JsonObject) => ({
    group: stringOf(r['group']) || group,
    version: stringOf(r['version']) || version,
    kind: stringOf(r['kind']),
  });
  return all
    .filter((r) => !stringOf(r['name']).includes('/'))
    .map((r) => ({
      resource: stringOf(r['name']),
      responseKind: kindOf(r),
      scope: r['namespaced'] === true ? 'Namespaced' : 'Cluster',
      singularResource: stringOf(r['singularName']),
      verbs: stringsOf(r['verbs']),
      shortNames: stringsOf(r['shortNames']),
      categories: stringsOf(r['categories']),
      subresources: all
        .filter((s) => stringOf(s['name']).startsWith(`${stringOf(r['name'])}/`))
        .map((s) => ({
          subresource: stringOf(s['name']).split('/')[1],
          responseKind: kindOf(s),
          verbs: stringsOf(s['verbs']),
        })),
    }));
}

function aggregatedResources(kinds: KindTable, group: string, version: string) {
  const served = kinds.all().filter((k) => k.group === group && k.versions.includes(version));
  return served
    .sort((a, b) => (a.resource < b.resource ? -1 : 1))
    .map((kind) => ({
      resource: kind.resource,
      responseKind: { group: kind.group, version, kind: kind.kind },
      scope: kind.namespaced ? 'Namespaced' : 'Cluster',
      singularResource: kind.singular,
      verbs: verbs(kind),
      ...(kind.shortNames.length === 0 ? {} : { shortNames: kind.shortNames }),
      ...(kind.categories.length === 0 ? {} : { categories: kind.categories }),
      subresources: subresources(kind, version).map((s) => ({
        subresource: s.name,
        responseKind: { group: s.group ?? kind.group, version: s.version ?? version, kind: s.kind },
        verbs: s.verbs,
      })),
    }));
}

function verbs(kind: Kind): readonly string[] {
  return kind.verbs === ALL_VERBS ? [...ALL_VERBS] : kind.verbs;
}

/** Kubernetes' order of versions: v2 before v1 before v1beta2 before v1alpha1, others after these by name. */
export function compareVersions(a: string, b: string): number {
  const [x, y] = [versionRank(a), versionRank(b)];
  if (x === undefined || y === undefined) return x === y ? (a < b ? -1 : a > b ? 1 : 0) : x === undefined ? 1 : -1;
  return y[0] - x[0] || y[1] - x[1] || y[2] - x[2]; // stability, major, minor
}

function versionRank(version: string): readonly [number, number, number] | undefined {
  const parts = /^v([1-9]\d*)(?:(alpha|beta)([1-9]\d*))?$/.exec(version);
  if (parts === null) return undefined;
  const stability = parts[2] === undefined ? 2 : parts[2] === 'beta' ? 1 : 0;
  return [stability, Number(parts[1]), Number(parts[3] ?? 0)];
}

function storageHash(kind: Kind): string {
  return Buffer.from(`${kind.group}/${kind.storageVersion}/${kind.kind}`).toString('base64').slice(0, 11) + '=';
}
