import type { Diagnostic } from '../base/diagnostic.ts';
import { endpointsKey } from '../mesh/resources.ts';
import type { EndpointSlice, Service } from '../spec/kubernetes.ts';
import type { TrafficSplit } from '../spec/smi.ts';
import type { Snapshot } from '../spec/snapshot.ts';
import { compileEndpoints, podsOf, type CompiledEndpoints } from './endpoints.ts';
import type { Findings } from './findings.ts';
import { groupBy } from './group-by.ts';
import { opaquePorts } from './namespace.ts';
import type { ObjectFacts } from './object-stages.ts';
import type { Settings } from './options.ts';
import { rootPlan, type RootPlan } from './root-plan.ts';
import { readServiceName } from './service-name.ts';
import { compileService, type CompiledService } from './service.ts';
import { Stage } from './stage.ts';
import { compileSplit, tcpPorts, type SplitContext, type SplitPlan } from './traffic-split.ts';
import { backendPorts, unreadyBackends } from './unready.ts';

export interface ReachedServices {
  /** By `namespace/name`. */
  readonly services: ReadonlyMap<string, CompiledService>;
  /** By resource key. */
  readonly endpoints: ReadonlyMap<string, CompiledEndpoints>;
  readonly findings: readonly Findings[];
}

/** The EndpointSlices of one Service, and the keys of the pods that they name. */
interface OwnSlices {
  readonly slices: readonly EndpointSlice[];
  readonly pods: readonly string[];
}

interface Said {
  readonly diagnostics: readonly Diagnostic[];
}

const NO_SLICES: OwnSlices = { slices: [], pods: [] };
const NO_PORTS: readonly number[] = [];

/** Steps that lead to Services, their routes and endpoints. */
export class ServiceStages {
  readonly #settings: Settings;
  readonly #slices = new Stage<OwnSlices>();
  readonly #endpoints = new Stage<CompiledEndpoints>();
  readonly #plans = new Stage<SplitPlan>();
  readonly #roots = new Stage<RootPlan>();
  readonly #unready = new Stage<Said>();
  readonly #services = new Stage<CompiledService>();

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  update(snapshot: Snapshot, facts: ObjectFacts): ReachedServices {
    const endpoints = this.#updateEndpoints(snapshot, facts);
    const plans = this.#updatePlans(snapshot, facts);
    const roots = this.#updateRoots(plans);
    const unready = this.#updateUnready(plans, endpoints);
    const services = this.#updateServices(snapshot, facts, roots, endpoints);
    return { services, endpoints, findings: [plans, roots, unready, services] };
  }

  #updateEndpoints({ services, endpointSlices }: Snapshot, { pods }: ObjectFacts) {
    const slices = this.#slices.update([endpointSlices], (emit) => {
      const groups = groupBy(endpointSlices, (slice) => `${slice.metadata.namespace}/${slice.service}`);
      for (const [key, group] of groups) emit(key, group, () => ({ slices: group, pods: podsOf(group) }));
    });
    return this.#endpoints.update([services, slices, pods], (emit) => {
      for (const [key, service] of services) {
        if (service.spec.type === 'ExternalName') continue;
        const own = slices.get(key) ?? NO_SLICES;
        const inputs: unknown[] = [service, own];
        for (const pod of own.pods) inputs.push(pods.get(pod));
        for (const port of service.spec.ports) {
          if (port.protocol !== 'TCP') continue;
          const { namespace, name } = service.metadata;
          emit(endpointsKey(namespace, name, port.port), inputs, () =>
            compileEndpoints(service, port, own.slices, pods),
          );
        }
      }
    });
  }

  #updatePlans({ trafficSplits, services }: Snapshot, { groups, namespaces }: ObjectFacts) {
    const { clusterDomain } = this.#settings;
    return this.#plans.update([trafficSplits, services, groups, namespaces], (emit) => {
      for (const [key, split] of trafficSplits) {
        const context: SplitContext = {
          clusterDomain,
          isNamespace: (name) => namespaces.has(name),
          service: (name) => services.get(name),
          group: (name) => groups.get(`${split.metadata.namespace}/${name}`),
        };
        emit(key, [split, ...referencesOf(split, context)], () => compileSplit(split, context));
      }
    });
  }

  #updateRoots(plans: ReadonlyMap<string, SplitPlan>) {
    return this.#roots.update([plans], (emit) => {
      for (const [root, group] of groupBy(plans, (plan) => plan.root)) emit(root, group, () => rootPlan(root, group));
    });
  }

  #updateUnready(plans: ReadonlyMap<string, SplitPlan>, endpoints: ReadonlyMap<string, CompiledEndpoints>) {
    const isReady = (key: string) => (endpoints.get(key)?.resource.endpoints.length ?? 0) > 0;
    return this.#unready.update([plans, endpoints], (emit) => {
      for (const [key, plan] of plans) {
        const ready = backendPorts(plan).map((backend) => isReady(backend.endpoints));
        emit(key, [plan, ...ready], () => ({ diagnostics: unreadyBackends(plan, isReady) }));
      }
    });
  }

  #updateServices(
    { services }: Snapshot,
    { namespaces }: ObjectFacts,
    roots: ReadonlyMap<string, RootPlan>,
    endpoints: ReadonlyMap<string, CompiledEndpoints>,
  ) {
    return this.#services.update([services, namespaces, roots, endpoints], (emit) => {
      for (const [key, service] of services) {
        if (service.spec.type === 'ExternalName') continue; // a DNS alias: its target is what proxies see
        const { namespace, name } = service.metadata;
        const opaque = namespaces.get(namespace)?.opaquePorts ?? NO_PORTS;
        const podsSay = (port: number) => endpoints.get(endpointsKey(namespace, name, port))?.opaque ?? false;
        const plan = roots.get(key);
        emit(key, [service, plan, opaque, ...tcpPorts(service).map(podsSay)], () =>
          this.#compileService(service, plan, (port) => opaque.includes(port) || podsSay(port)),
        );
      }
    });
  }

  #compileService(service: Service, plan: RootPlan | undefined, isOpaque: (port: number) => boolean): CompiledService {
    const own = opaquePorts(service);
    const opaque = (port: number) => own.ports.includes(port) || isOpaque(port);
    const compiled = compileService(service, plan, opaque, this.#settings.clusterDomain);
    return { ...compiled, diagnostics: [...own.diagnostics, ...compiled.diagnostics] };
  }
}

/** Everything besides the split itself that its plan depends on. */
function referencesOf({ metadata, spec }: TrafficSplit, context: SplitContext): unknown[] {
  if (spec === undefined) return [];
  const names = [spec.service, ...(spec.backends ?? []).map((backend) => backend.service)];
  const services = names.flatMap((written) => {
    const name = readServiceName(written, metadata.namespace, context.clusterDomain, context.isNamespace);
    return name.kind === 'host' ? ['host'] : [name.namespace, context.service(`${name.namespace}/${name.name}`)];
  });
  return [...services, ...(spec.matches ?? []).map((match) => context.group(match.name))];
}
