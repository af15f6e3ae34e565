import type { KubeObject } from '../../../conformance/kube.ts';
import type { Receipt, Seen } from '../../../conformance/testapp/protocol.ts';

/** The objects of the model, as an API server would hold them, and what its pods received. */
export class World {
  readonly #objects = new Map<string, Stored>();
  /** What `list` has given since the last change. */
  readonly #lists = new Map<string, Stored[]>();
  /** Addresses of deleted pods, by the case that the pod was of: cases that play side by side do not take each other's. */
  readonly #freed = new Map<string, number>();
  readonly #receipts = new Map<string, { count: number; first: Receipt[] }>();
  #created = 0;

  static key(kind: string, namespace: string, name: string): string {
    return `${kind}/${namespace}/${name}`;
  }

  get(kind: string, namespace: string, name: string): Stored | undefined {
    return this.#objects.get(World.key(kind, namespace, name));
  }

  list(kind: string, namespace?: string): readonly Stored[] {
    const key = `${kind} ${namespace ?? '*'}`;
    let list = this.#lists.get(key);
    if (list === undefined) {
      list = [...this.#objects.values()].filter(
        (object) => object.kind === kind && (namespace === undefined || object.metadata.namespace === namespace),
      );
      this.#lists.set(key, list);
    }
    return list;
  }

  put(object: KubeObject): Stored {
    const { kind, metadata } = object;
    const key = World.key(kind, metadata.namespace ?? '', metadata.name);
    const before = this.#objects.get(key);
    const order = before?.order ?? ++this.#created;
    const isNewPod = kind === 'Pod' && before === undefined;
    const stored = {
      ...object,
      spec: object['spec'] ?? {},
      order,
      number: before?.number ?? (isNewPod ? this.#address(metadata.name, order) : order),
      bornMs: before?.bornMs ?? performance.now(),
    } as Stored;
    this.#objects.set(key, stored);
    this.#lists.clear();
    return stored;
  }

  #address(pod: string, otherwise: number): number {
    const freed = this.#freed.get(caseOf(pod));
    this.#freed.delete(caseOf(pod));
    return freed ?? otherwise;
  }

  /** As if the pod's proxy had just begun. */
  begin(namespace: string, pod: string): void {
    const found = this.get('Pod', namespace, pod);
    if (found === undefined) throw new Error(`there is no pod ${pod}`);
    this.#objects.set(World.key('Pod', namespace, pod), { ...found, bornMs: performance.now() });
    this.#lists.clear();
  }

  remove(kind: string, namespace: string, name: string): boolean {
    this.#lists.clear();
    if (kind === 'Namespace')
      for (const [key, { metadata }] of this.#objects) if (metadata.namespace === name) this.#objects.delete(key);
    const gone = this.get(kind, namespace, name);
    if (gone?.kind === 'Pod') this.#freed.set(caseOf(name), gone.number);
    return this.#objects.delete(World.key(kind, namespace, name));
  }

  get size(): number {
    return this.#objects.size;
  }

  receive(pod: Stored, id: string, receipt: Receipt): void {
    const key = `${addressOf(pod)} ${id}`;
    const entry = this.#receipts.get(key) ?? { count: 0, first: [] };
    entry.count++;
    entry.first.push(receipt);
    this.#receipts.set(key, entry);
  }

  seen(pod: Stored, ids: readonly string[]): Record<string, Seen> {
    const of = (id: string) => this.#receipts.get(`${addressOf(pod)} ${id}`) ?? { count: 0, first: [] };
    return Object.fromEntries(ids.map((id) => [id, of(id)]));
  }
}

/** An object as the model reads it: it trusts the suite to write what it says. */
export interface Stored extends KubeObject {
  readonly metadata: KubeObject['metadata'] & { readonly namespace: string };
  readonly spec: Spec;
  /** Creation order. */
  readonly order: number;
  /** What its address is made of. */
  readonly number: number;
  readonly bornMs: number;
}

function caseOf(pod: string): string {
  return pod.replace(/-[^-]*$/, '');
}

export interface Spec {
  readonly schemes?: {
    readonly podLabelSelector?: { readonly matchLabels: Readonly<Record<string, string>> } | null;
    readonly spiffeIdentities?: readonly string[] | null;
    readonly serviceAccount?: string | null;
  };
  readonly containers?: readonly { readonly readinessProbe?: { readonly httpGet: { readonly port: number } } }[];
  readonly serviceAccountName?: string;
  readonly selector?: Readonly<Record<string, string>>;
  readonly ports?: readonly { readonly port: number; readonly targetPort: number }[];
  readonly destination?: Subject;
  readonly sources?: readonly Subject[];
  readonly rules?: readonly Reference[];
  readonly matches?: readonly Entry[] & readonly Reference[] & { readonly ports?: readonly number[] };
  readonly service?: string;
  readonly backends?: readonly { readonly service: string; readonly weight: number }[];
}

export interface Subject {
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
  /** Of destinations, before v1alpha3. */
  readonly port?: number;
}

export interface Reference {
  readonly kind: string;
  readonly name: string;
  readonly matches?: readonly string[];
}

export interface Entry {
  readonly name: string;
  readonly pathRegex?: string;
  readonly methods?: readonly string[];
  readonly headers?: Readonly<Record<string, string>> | readonly Readonly<Record<string, string>>[];
}

/** Pods and Services have addresses made of their creation order, pods perhaps that of one that is gone. */
export function addressOf({ kind, number }: Stored): string {
  return `${kind === 'Pod' ? '10.1' : '10.2'}.${number >> 8}.${number & 255}`;
}

/** The suite makes pods that never become ready by probing a port where nobody listens. */
export function isReady({ spec }: Stored): boolean {
  return spec.containers?.every(({ readinessProbe }) => readinessProbe?.httpGet.port !== 9) !== false;
}

export function podsOf(world: World, service: Stored): Stored[] {
  const wanted = Object.entries(service.spec.selector ?? {});
  return world
    .list('Pod', service.metadata.namespace)
    .filter((pod) => isReady(pod) && wanted.every(([name, value]) => pod.metadata.labels?.[name] === value));
}
