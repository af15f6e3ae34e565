import type { Namespace } from '../spec/kubernetes.ts';
import type { Snapshot } from '../spec/snapshot.ts';
import type { Findings } from './findings.ts';
import { compileGroup, type CompiledGroup } from './http-route-group.ts';
import { namespaceFacts, type NamespaceFacts } from './namespace.ts';
import type { Settings } from './options.ts';
import { ownerKey, podFacts, type PodFacts } from './pod.ts';
import { Stage } from './stage.ts';
import { compileTcpRoute, type CompiledTcpRoute } from './tcp-route.ts';
import { compileUdpRoute, type CompiledUdpRoute } from './udp-route.ts';

/** What single objects say, before they are brought together. Keys are those of the Snapshot. */
export interface ObjectFacts {
  readonly namespaces: ReadonlyMap<string, NamespaceFacts>;
  readonly groups: ReadonlyMap<string, CompiledGroup>;
  readonly tcpRoutes: ReadonlyMap<string, CompiledTcpRoute>;
  readonly udpRoutes: ReadonlyMap<string, CompiledUdpRoute>;
  readonly pods: ReadonlyMap<string, PodFacts>;
  readonly findings: readonly Findings[];
}

/** First steps of the compiler: each looks at one object (a pod: also at its owner and its namespace). */
export class ObjectStages {
  readonly #settings: Settings;
  readonly #namespaces = new Stage<NamespaceFacts>();
  readonly #groups = new Stage<CompiledGroup>();
  readonly #tcpRoutes = new Stage<CompiledTcpRoute>();
  readonly #udpRoutes = new Stage<CompiledUdpRoute>();
  readonly #pods = new Stage<PodFacts>();

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  update(snapshot: Snapshot): ObjectFacts {
    const { defaultMode } = this.#settings;
    const namespaces = each(this.#namespaces, snapshot.namespaces, (ns: Namespace) => namespaceFacts(ns, defaultMode));
    const groups = each(this.#groups, snapshot.httpRouteGroups, compileGroup);
    const tcpRoutes = each(this.#tcpRoutes, snapshot.tcpRoutes, compileTcpRoute);
    const udpRoutes = each(this.#udpRoutes, snapshot.udpRoutes, compileUdpRoute);
    const pods = this.#updatePods(snapshot, namespaces);
    return {
      namespaces,
      groups,
      tcpRoutes,
      udpRoutes,
      pods,
      findings: [namespaces, groups, tcpRoutes, udpRoutes, pods],
    };
  }

  #updatePods({ pods, workloadOwners }: Snapshot, namespaces: ReadonlyMap<string, NamespaceFacts>) {
    return this.#pods.update([pods, workloadOwners, namespaces], (emit) => {
      for (const [key, pod] of pods) {
        const above = ownerKey(pod);
        const owner = above === undefined ? undefined : workloadOwners.get(above);
        const opaque = namespaces.get(pod.metadata.namespace)?.opaquePorts ?? NO_PORTS;
        emit(key, [pod, owner, opaque], () => podFacts(pod, owner, opaque, this.#settings.trustDomain));
      }
    });
  }
}

const NO_PORTS: readonly number[] = [];

function each<O, T>(
  stage: Stage<T>,
  objects: ReadonlyMap<string, O>,
  compute: (object: O) => T,
): ReadonlyMap<string, T> {
  return stage.update([objects], (emit) => {
    for (const [key, object] of objects) emit(key, [object], () => compute(object));
  });
}
