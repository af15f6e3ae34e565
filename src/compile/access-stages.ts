import type { InboundResource, PolicyMode } from '../mesh/resources.ts';
import type { Pod, Service } from '../spec/kubernetes.ts';
import type { TrafficTarget } from '../spec/smi.ts';
import type { Snapshot } from '../spec/snapshot.ts';
import type { Findings } from './findings.ts';
import { groupBy, groupByEach } from './group-by.ts';
import { compileBinding, podsSelectedBy, type BindingContext, type CompiledBinding } from './identity-binding.ts';
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
const NO_PODS: readonly Pod[] = [];
const NO_SERVICES: readonly Service[] = [];
const NO_INDEX: SelectorIndex = new Map();

/** Steps that lead to what may enter each pod. */
export class AccessStages {
  readonly #settings: Settings;
  readonly #accounts = new Stage<true>();
  readonly #bindings = new Stage<CompiledBinding>();
  readonly #targets = new Stage<CompiledTarget>();
  readonly #accountGrants = new Stage<readonly Grant[]>();
  readonly #podGrants = new Stage<readonly Grant[]>();
  readonly #indexes = new Stage<SelectorIndex>();
  readonly #selected = new Stage<readonly Service[]>();
  readonly #inbound = new Stage<InboundResource>();

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  update(snapshot: Snapshot, facts: ObjectFacts): Access {
    const running = this.#accounts.update([facts.pods], (emit) => {
      for (const { account } of facts.pods.values()) emit(account, [], () => true);
    });
    const bindings = this.#updateBindings(snapshot, running);
    const targets = this.#updateTargets(snapshot, facts, running, bindings);
    const grants = this.#updateGrants(targets);
    const selected = this.#updateSelected(snapshot, facts);
    const inbound = this.#updateInbound(snapshot, facts, selected, grants);
    return { inbound, findings: [targets, bindings] };
  }

  #updateBindings({ identityBindings, pods, serviceAccounts }: Snapshot, running: ReadonlyMap<string, true>) {
    return this.#bindings.update([identityBindings, pods, serviceAccounts, running], (emit) => {
      const labelled = [...identityBindings.values()].filter(
        ({ spec }) => spec?.schemes?.podLabelSelector !== undefined,
      );
      const namespaces = new Set(labelled.map(({ metadata }) => metadata.namespace));
      const inOne = ({ metadata: { namespace } }: Pod) => (namespaces.has(namespace) ? namespace : undefined);
      const podsIn = namespaces.size === 0 ? new Map<string, Pod[]>() : groupBy(pods, inOne);
      for (const [key, binding] of identityBindings) {
        const { namespace } = binding.metadata;
        const context: BindingContext = {
          trustDomain: this.#settings.trustDomain,
          isAccount: (account) => serviceAccounts.has(account) || running.has(account),
          selected: podsSelectedBy(binding, podsIn.get(namespace) ?? NO_PODS),
        };
        const named = binding.spec?.schemes?.serviceAccount;
        const known = named !== undefined && context.isAccount(`${namespace}/${named}`);
        const selected = context.selected.flatMap((pod) => [pod.key, pod.uid]);
        emit(key, [binding, known, ...selected], () => compileBinding(binding, context));
      }
    });
  }

  #updateTargets(
    { trafficTargets, serviceAccounts }: Snapshot,
    facts: ObjectFacts,
    running: ReadonlyMap<string, true>,
    bindings: ReadonlyMap<string, CompiledBinding>,
  ) {
    const { groups, tcpRoutes, udpRoutes, namespaces } = facts;
    const deps = [trafficTargets, groups, tcpRoutes, udpRoutes, namespaces, serviceAccounts, running, bindings];
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
          binding: (name) => bindings.get(name),
        };
        emit(key, [target, ...referencesOf(target, context)], () => compileTarget(target, context));
      }
    });
  }

  /** What is granted to each ServiceAccount and to single pods, in the order of the targets' names. */
  #updateGrants(targets: ReadonlyMap<string, CompiledTarget>): Grants {
    const update = (stage: Stage<readonly Grant[]>, keysOf: (target: CompiledTarget) => readonly string[]) =>
      stage.update([targets], (emit) => {
        for (const [key, group] of groupByEach(targets, keysOf)) {
          const grants = group.flatMap(({ grant }) => (grant === undefined ? [] : [grant]));
          if (grants.length > 0) emit(key, grants, () => grants);
        }
      });
    return {
      byAccount: update(this.#accountGrants, ({ destination }) => destination.accounts),
      byPod: update(this.#podGrants, ({ destination }) => destination.pods),
    };
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
    { byAccount, byPod }: Grants,
  ) {
    return this.#inbound.update([pods, facts.pods, facts.namespaces, selected, byAccount, byPod], (emit) => {
      for (const [key, pod] of pods) {
        const own = facts.pods.get(key);
        if (own?.workload === undefined) continue;
        const mode = this.#modeOf(pod.metadata.namespace, facts);
        const services = selected.get(key) ?? NO_SERVICES;
        const shared = byAccount.get(own.account) ?? NO_GRANTS;
        const single = byPod.get(key) ?? NO_GRANTS;
        emit(key, [pod, own, mode, services, shared, single], () =>
          compileInbound({ pod, facts: own, mode, services, grants: merged(shared, single) }),
        );
      }
    });
  }

  #modeOf(namespace: string, { namespaces }: ObjectFacts): PolicyMode {
    return namespaces.get(namespace)?.mode ?? this.#settings.defaultMode;
  }
}

interface Grants {
  /** By `namespace/name` of the ServiceAccount. */
  readonly byAccount: ReadonlyMap<string, readonly Grant[]>;
  /** By `namespace/name` of the pod. */
  readonly byPod: ReadonlyMap<string, readonly Grant[]>;
}

/** In the order of the targets' names; a target that opens a pod in both ways opens it once. */
function merged(a: readonly Grant[], b: readonly Grant[]): readonly Grant[] {
  if (b.length === 0) return a;
  return [...new Set([...a, ...b])].sort((x, y) => (x.name < y.name ? -1 : 1));
}

/** Everything besides the target itself that its meaning depends on. */
function referencesOf({ metadata, spec }: TrafficTarget, context: TargetContext): unknown[] {
  if (spec === undefined) return [];
  const subjects = [spec.destination, ...(spec.sources ?? [])];
  const known = subjects.map(({ kind, namespace, name }) => {
    const key = `${namespace || metadata.namespace}/${name}`;
    return kind === 'IdentityBinding' ? context.binding(key) : context.isAccount(key);
  });
  const routes = (spec.rules ?? []).map(({ kind, name }) => {
    if (kind === 'HTTPRouteGroup') return context.group(name);
    return kind === 'TCPRoute' ? context.tcpRoute(name) : context.udpRoute(name);
  });
  return [context.mode, ...known, ...routes];
}
