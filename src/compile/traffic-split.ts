import type { Diagnostic, ObjectRef } from '../base/diagnostic.ts';
import { endpointsKey, type Backend, type HttpMatch } from '../mesh/resources.ts';
import type { Service } from '../spec/kubernetes.ts';
import type { TrafficSplit } from '../spec/smi.ts';
import { about, refOf, type Finding } from './finding.ts';
import type { CompiledGroup } from './http-route-group.ts';
import { readServiceName } from './service-name.ts';
import * as say from './traffic-split-findings.ts';
import { wholeWeights } from './weights.ts';

/** A TrafficSplit resolved against the Services and route groups that there are. */
export interface SplitPlan {
  /** `TrafficSplit shop/checkout` */
  readonly name: string;
  readonly object: ObjectRef;
  /** `namespace/name` of the root Service; undefined = the split has no effect. */
  readonly root: string | undefined;
  /** Undefined = every request; empty = none. */
  readonly matches: readonly HttpMatch[] | undefined;
  /** By TCP port of the root: who takes part there (`smi.md` S11). */
  readonly ports: ReadonlyMap<number, readonly Backend[]>;
  /** Milliseconds since 1970; decides between splits of one root (`smi.md` S5). */
  readonly created: number;
  readonly diagnostics: readonly Diagnostic[];
}

export interface SplitContext {
  readonly clusterDomain: string;
  readonly isNamespace: (name: string) => boolean;
  /** By `namespace/name`. */
  readonly service: (key: string) => Service | undefined;
  /** In the split's own namespace. */
  readonly group: (name: string) => CompiledGroup | undefined;
}

type Report = (finding: Finding) => void;

/** One split's meaning; what is wrong in it is reported and has no effect. */
export function compileSplit(split: TrafficSplit, context: SplitContext): SplitPlan {
  const diagnostics: Diagnostic[] = [];
  const report: Report = (finding) => diagnostics.push(about(split, finding));
  const root = rootOf(split, context, report);
  const matches = matchesOf(split, context, report);
  const { namespace, name } = split.metadata;
  return {
    name: `TrafficSplit ${namespace}/${name}`,
    object: refOf(split),
    root: root && `${root.metadata.namespace}/${root.metadata.name}`,
    matches,
    ports: root === undefined ? new Map() : backendsByPort(root, sharesOf(split, context, report), report),
    created: createdAt(split),
    diagnostics,
  };
}

function rootOf(split: TrafficSplit, context: SplitContext, report: Report): Service | undefined {
  const { namespace } = split.metadata;
  if (split.spec === undefined) {
    report(say.noSpec());
    return undefined;
  }
  const written = split.spec.service;
  const name = readServiceName(written, namespace, context.clusterDomain, context.isNamespace);
  if (name.kind === 'host') {
    report(say.rootIsHost(written, namespace));
    return undefined;
  }
  if (name.namespace !== namespace) {
    report(say.otherNamespace('spec.service', name.namespace, namespace, 'the split has no effect'));
    return undefined;
  }
  const root = context.service(`${namespace}/${name.name}`);
  if (root === undefined) report(say.rootMissing(`${namespace}/${name.name}`));
  else if (root.spec.type === 'ExternalName') {
    report(say.externalName('spec.service', `${namespace}/${name.name}`, 'the split has no effect'));
    return undefined;
  }
  return root;
}

/** What one Service gets, all mentions of it together (`smi.md` S20). */
interface Share {
  readonly service: Service;
  readonly weight: number;
  readonly path: string;
}

function sharesOf(split: TrafficSplit, context: SplitContext, report: Report): Share[] {
  const backends = split.spec?.backends ?? [];
  const weights = wholeWeights(backends.map((backend) => backend.weight));
  for (const i of weights.negative) report(say.negativeWeight(i, backends[i]?.weight ?? 0));
  if (weights.scaled) report(say.scaledWeights(weights.whole));
  const missing: { path: string; key: string; weight: number }[] = [];
  const shares = new Map<string, Share>();
  backends.forEach((backend, i) => {
    const path = `spec.backends[${i}].service`;
    const weight = weights.whole[i] ?? 0;
    const key = backendKey(split, backend.service, path, context, report);
    if (key === undefined) return;
    const service = context.service(key);
    if (service === undefined) missing.push({ path, key, weight });
    else if (service.spec.type === 'ExternalName') report(say.externalName(path, key, 'it gets no traffic'));
    else {
      const known = shares.get(key);
      if (known !== undefined) report(say.duplicateBackend(path, key));
      shares.set(key, { service, weight: weight + (known?.weight ?? 0), path: known?.path ?? path });
    }
  });
  const total = weights.whole.reduce((sum, weight) => sum + weight, 0);
  const takers = [...shares].filter(([, share]) => share.weight > 0).map(([key]) => key);
  for (const { path, key, weight } of missing) report(say.missingBackend(path, key, weight, total, takers));
  return [...shares.values()];
}

function backendKey(
  split: TrafficSplit,
  written: string,
  path: string,
  context: SplitContext,
  report: Report,
): string | undefined {
  const { namespace } = split.metadata;
  const name = readServiceName(written, namespace, context.clusterDomain, context.isNamespace);
  if (name.kind === 'host') {
    report(say.backendIsHost(path, written));
    return undefined;
  }
  if (name.namespace === namespace) return `${namespace}/${name.name}`;
  report(say.otherNamespace(path, name.namespace, namespace, 'this backend gets no traffic'));
  return undefined;
}

/** Undefined when the split asks for none; a reference that leads nowhere matches nothing (`smi.md` A10, S6). */
function matchesOf(split: TrafficSplit, context: SplitContext, report: Report): readonly HttpMatch[] | undefined {
  const references = split.spec?.matches ?? [];
  if (references.length === 0) return undefined;
  const found = references.flatMap(({ kind, name }, i) => {
    const group = kind === 'HTTPRouteGroup' ? context.group(name) : undefined;
    if (kind !== 'HTTPRouteGroup') report(say.matchKind(i, kind));
    else if (group === undefined) report(say.missingGroup(i, name));
    return group?.all ?? [];
  });
  return [...new Set(found)];
}

function backendsByPort(root: Service, shares: readonly Share[], report: Report): Map<number, Backend[]> {
  const byPort = new Map<number, Backend[]>();
  const ports = tcpPorts(root);
  for (const port of ports) {
    const able = shares.filter(({ service }) => tcpPorts(service).includes(port));
    byPort.set(
      port,
      able.map(({ service, weight }) => backendOf(service, port, weight)),
    );
  }
  for (const { service, path } of shares) {
    const absent = ports.filter((port) => !tcpPorts(service).includes(port));
    if (absent.length > 0) report(say.portAbsent(path, service, root, absent));
  }
  const dead = ports.filter((port) => (byPort.get(port) ?? []).every((backend) => backend.weight === 0));
  if (dead.length > 0) report(say.nobodyTakes(dead, shares.length > 0 && shares.every((share) => share.weight === 0)));
  const udp = root.spec.ports.filter((port) => port.protocol === 'UDP').map((port) => port.port);
  if (udp.length > 0) report(say.udpPorts(root, udp));
  return byPort;
}

/** A share of a port; also how a Service stands for its own endpoints. */
export function backendOf(service: Service, port: number, weight: number): Backend {
  const { namespace, name } = service.metadata;
  return { namespace, service: name, port, weight, endpoints: endpointsKey(namespace, name, port) };
}

export function tcpPorts(service: Service): number[] {
  return service.spec.ports.filter((port) => port.protocol === 'TCP').map((port) => port.port);
}

function createdAt(split: TrafficSplit): number {
  const created = Date.parse(split.metadata.creationTimestamp);
  return Number.isNaN(created) ? Number.MAX_SAFE_INTEGER : created; // a file's object has none: it counts as the youngest
}
