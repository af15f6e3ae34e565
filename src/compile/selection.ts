import type { Pod, Service } from '../spec/kubernetes.ts';

/** The Services of one namespace that have a selector, found by one of the labels that they ask for. */
export type SelectorIndex = ReadonlyMap<string, readonly Service[]>;

/** Files each Service under one pair of its selector, so that a pod looks at few candidates and not at all Services. */
export function selectorIndex(services: readonly Service[]): SelectorIndex {
  const index = new Map<string, Service[]>();
  for (const service of services) {
    const first = service.spec.selector?.entries().next().value;
    if (first === undefined) continue;
    const pair = `${first[0]}=${first[1]}`;
    const list = index.get(pair);
    if (list === undefined) index.set(pair, [service]);
    else list.push(service);
  }
  return index;
}

/** The Services that select a pod, by name. */
export function servicesOf(pod: Pod, index: SelectorIndex): Service[] {
  const found: Service[] = [];
  for (const [key, value] of pod.metadata.labels) {
    for (const service of index.get(`${key}=${value}`) ?? []) if (selects(service, pod)) found.push(service);
  }
  return found.sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
}

function selects(service: Service, pod: Pod): boolean {
  for (const [key, value] of service.spec.selector ?? []) if (pod.metadata.labels.get(key) !== value) return false;
  return true;
}
