import type { KubeObject } from '../../../conformance/kube.ts';
import type { Receipt, Seen } from '../../../conformance/testapp/protocol.ts';

/** The objects of the model, as an API server would hold them, and what its pods received. */
export class World {
  readonly #objects = new Map<string, Stored>();
  readonly #receipts = new Map<string, { count: number; first: Receipt[] }>();
  #created = 0;

  static key(kind: string, namespace: string, name: string): string {
    return `${kind}/${namespace}/${name}`;
  }

  get(kind: string, namespace: string, name: string): Stored | undefined {
    return this.#objects.get(World.key(kind, namespace, name));
  }

  list(kind: string, namespace?: string): Stored[] {
    return [...this.#objects.values()].filter(
      (object) => object.kind === kind && (namespace === undefined || object.metadata.namespace === namespace),
    );
  }

  put(object: KubeObject): Stored {
    const { kind, metadata } = object;
    const key = World.key(kind, metadata.namespace ?? '', metadata.name);
    const before = this.#objects.get(key);
    const stored = { ...object, spec: object['spec'] ?? {}, order: before?.order ?? ++this.#created } as Stored;
    this.#objects.set(key, stored);
    return stored;
  }

  remove(kind: string, namespace: string, name: string): boolean {
    if (kind === 'Namespace')
      for (const [key, { metadata }] of this.#objects) if (metadata.namespace === name) this.#objects.delete(key);
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
}

export interface Spec {
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

/** Pods and Services have addresses made of their creation order. */
export function addressOf(object: Stored): string {
  return `${object.kind === 'Pod' ? '10.1' : '10.2'}.${object.order >> 8}.${object.order & 255}`;
}

export function podsOf(world: World, service: Stored): Stored[] {
  const wanted = Object.entries(service.spec.selector ?? {});
  return world
    .list('Pod', service.metadata.namespace)
    .filter(({ metadata }) => wanted.every(([name, value]) => metadata.labels?.[name] === value));
}
