import type { ResourceName } from '../../api-client.ts';
import type { Kind } from './kind.ts';

/** Every kind that is served right now: the built-in ones and those of established CRDs. */
export class KindTable {
  readonly #kinds = new Map<string, Kind>();
  #version = 0;

  constructor(kinds: Iterable<Kind>) {
    for (const kind of kinds) this.#kinds.set(keyOf(kind), kind);
  }

  /** Grows with each change; documents made from the table are cached by it. */
  get version(): number {
    return this.#version;
  }

  get({ group, resource }: ResourceName): Kind | undefined {
    return this.#kinds.get(`${group}/${resource}`);
  }

  /** The kind with this kind name, served in this version. */
  byKind(group: string, version: string, kind: string): Kind | undefined {
    return [...this.#kinds.values()].find((k) => k.group === group && k.kind === kind && k.versions.includes(version));
  }

  all(): readonly Kind[] {
    return [...this.#kinds.values()];
  }

  set(kind: Kind): void {
    this.#kinds.set(keyOf(kind), kind);
    this.#version++;
  }

  delete(name: ResourceName): void {
    if (this.#kinds.delete(`${name.group}/${name.resource}`)) this.#version++;
  }
}

/** The key of a resource in the store: `apps/deployments`, `/pods`. */
export function keyOf({ group, resource }: ResourceName): string {
  return `${group}/${resource}`;
}
