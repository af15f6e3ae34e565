import type { Endpoint, PodResource } from '../../mesh/resources.ts';
import { endpointKey, LiveEndpoint } from './live-endpoint.ts';

/** The endpoints of the running configuration. What is known about one survives every change but its removal. */
export class EndpointRegistry {
  #live = new Map<string, LiveEndpoint>();
  #next = new Map<string, LiveEndpoint>();
  #livePods: readonly PodResource[] = [];
  #nextPods: PodResource[] = [];

  /** Notes a pod of the configuration that is being built: its tunnels may stay, whatever port they are for. */
  addPod(pod: PodResource): void {
    this.#nextPods.push(pod);
  }

  /** The live side of an endpoint of the configuration that is being built. */
  get(endpoint: Endpoint): LiveEndpoint {
    const key = endpointKey(endpoint);
    const known = this.#next.get(key);
    if (known !== undefined) return known;
    const live = this.#live.get(key) ?? new LiveEndpoint(endpoint);
    this.#next.set(key, live);
    return live;
  }

  /** The live side of an endpoint of the running configuration. */
  find(endpoint: Endpoint): LiveEndpoint {
    return this.#live.get(endpointKey(endpoint)) ?? new LiveEndpoint(endpoint);
  }

  /** The configuration was built: endpoints that it did not ask for are forgotten. */
  commit(): void {
    this.#live = this.#next;
    this.#next = new Map();
    this.#livePods = this.#nextPods;
    this.#nextPods = [];
  }

  /** The configuration was refused: everything stays as it was. */
  rollback(): void {
    this.#next = new Map();
    this.#nextPods = [];
  }

  /** `address|identity` of every meshed endpoint and pod: the tunnels that may stay. */
  tunnels(): Set<string> {
    const keys = new Set<string>();
    for (const { addresses, identity } of this.#livePods) {
      for (const address of addresses) keys.add(`${address}|${identity}`);
    }
    for (const { endpoint } of this.#live.values()) {
      if (endpoint.identity !== undefined) keys.add(`${endpoint.address}|${endpoint.identity}`);
    }
    return keys;
  }

  /** `namespace/pod` of every pod, and of every endpoint that is one. */
  pods(): Set<string> {
    const pods = new Set(this.#livePods.map(({ labels }) => `${labels.namespace}/${labels.pod}`));
    for (const { endpoint } of this.#live.values()) {
      if (endpoint.labels !== undefined) pods.add(`${endpoint.labels.namespace}/${endpoint.labels.pod}`);
    }
    return pods;
  }

  values(): Iterable<LiveEndpoint> {
    return this.#live.values();
  }
}
