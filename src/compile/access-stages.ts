import type { InboundResource, PolicyMode } from '../mesh/resources.ts';
import type { Service } from '../spec/kubernetes.ts';
import type { TrafficTarget } from '../spec/smi.ts';
import type { Snapshot } from '../spec/snapshot.ts';
import type { Findings } from './findings.ts';
import { groupBy } from './group-by.ts';
import { compileInbound } from './inbound.ts';
import type { ObjectFacts } from './object-stages.ts';
import type { Settings } from './options.ts';
import { selectorIndex, servicesOf, type SelectorIndex } from './selection.ts';
import { Stage } from './stage.ts';
import { compileTarget, type CompiledTarget, type Grant, type TargetContext } from './traffic-target.ts';

export interface Access {
  /** By `namespace/pod`, for each pod with a sidecar. */
  readonly inbound: ReadonlyMap<string, InboundResource>;
  readonly findings: readonly Findings[];
}

const NO_GRANTS: readonly Grant[] = [];
const NO_SERVICES: readonly Service[] = [];
const NO_INDEX: SelectorIndex = new Map();

/** Steps that lead to what may enter each pod. */
export class AccessStages {
  readonly #settings: Settings;
  readonly #accounts = new Stage<true>();
  readonly #targets = new Stage<CompiledTarget>();
  readonly #grants = new Stage<readonly Grant[]>();
  readonly #indexes = new Stage<SelectorIndex>();
  readonly #selected = new Stage<readonly Service[]>();
  readonly #inbound = new Stage<InboundResource>();

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  update(snapshot: Snapshot, facts: ObjectFacts): Access {
    const targets = this.#updateTargets(snapshot, facts);
    const grants = this.#updateGrants(targets);
    const selected = this.#updateSelected(snapshot, facts);
    const inbound = this.#updateInbound(snapshot, facts, selected, grants);
    return { inbound, findings: [targets] };
  }

  #updateTargets({ trafficTargets, serviceAccounts }: Snapshot, facts: ObjectFacts) {
    const { groups, tcpRoutes, udpRoutes, namespaces, pods } = facts;
    const running = this.#accounts.update([pods], (emit) => {
      for (const { account } of pods.values()) emit(account, [], () => true);
    });
    const deps = [trafficTargets, groups, tcpRoutes, udpRoutes, namespaces, serviceAccounts, running];
    return this.#targets.update(deps, (emit) => {
      for (const [key, target] of trafficTargets) {
        const { namespace } = target.metadata;
        const context: TargetContext = {
          trustDomain: this.#settings.trustDomain,
          mode: this.#modeOf(namespace, facts),
          group: (name) => groups.get(`${namespace}/${name}`),
          tcpRoute: (name) => tcpRoutes.get(`${namespace}/${name}`),
          udpRoute: (name) => udpRoutes.get(`${namespace}/${name}`),
          isAccount: (account) => serviceAccounts.has(account) || running.has(account),
        };
        emit(key, [target, ...referencesOf(target, context)], () => compileTarget(target, context));
      }
    });
  }

  /** What is granted to each ServiceAccount, in the order of the targets' names. */
  #updateGrants(targets: ReadonlyMap<string, CompiledTarget>) {
    return this.#grants.update([targets], (emit) => {
      for (const [account, group] of groupBy(targets, (t) => (t.grant === undefined ? undefined : t.destination))) {
        const grants = group.flatMap(({ grant }) => (grant === undefined ? [] : [grant]));
        emit(account, grants, () => grants);
      }
    });
  }

  #updateSelected({ pods, services }: Snapshot, facts: ObjectFacts) {
    const indexes = this.#indexes.update([services], (emit) => {
      for (const [namespace, group] of groupBy(services, (service) => service.metadata.namespace)) {
        emit(namespace, group, () => selectorIndex(group));
      }
    });
    return this.#selected.update([pods, facts.pods, indexes], (emit) => {
      for (const [key, pod] of pods) {
        if (facts.pods.get(key)?.workload === undefined) continue;
        const index = indexes.get(pod.metadata.namespace) ?? NO_INDEX;
        emit(key, [pod, index], () => servicesOf(pod, index));
      }
    });
  }

  #updateInbound(
    { pods }: Snapshot,
    facts: ObjectFacts,
    selected: ReadonlyMap<string, readonly Service[]>,
    grantsOf: ReadonlyMap<string, readonly Grant[]>,
  ) {
    return this.#inbound.update([pods, facts.pods, facts.namespaces, selected, grantsOf], (emit) => {
      for (const [key, pod] of pods) {
        const own = facts.pods.get(key);
        if (own?.workload === undefined) continue;
        const mode = this.#modeOf(pod.metadata.namespace, facts);
        const services = selected.get(key) ?? NO_SERVICES;
        const grants = grantsOf.get(own.account) ?? NO_GRANTS;
        emit(key, [pod, own, mode, services, grants], () =>
          compileInbound({ pod, facts: own, mode, services, grants }),
        );
      }
    });
  }

  #modeOf(namespace: string, { namespaces }: ObjectFacts): PolicyMode {
    return namespaces.get(namespace)?.mode ?? this.#settings.defaultMode;
  }
}

/** Everything besides the target itself that its meaning depends on. */
function referencesOf({ metadata, spec }: TrafficTarget, context: TargetContext): unknown[] {
  if (spec === undefined) return [];
  const subjects = [spec.destination, ...(spec.sources ?? [])];
  const known = subjects.map(({ namespace, name }) => context.isAccount(`${namespace || metadata.namespace}/${name}`));
  const routes = (spec.rules ?? []).map(({ kind, name }) => {
    if (kind === 'HTTPRouteGroup') return context.group(name);
    return kind === 'TCPRoute' ? context.tcpRoute(name) : context.udpRoute(name);
  });
  return [context.mode, ...known, ...routes];
}
