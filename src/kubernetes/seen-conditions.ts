import { Json } from '../spec/json.ts';
import { type Condition, readConditions, type StatusObject } from './conditions.ts';

interface Seen {
  readonly kind: string;
  readonly uid: string;
  readonly conditions: readonly Condition[];
}

/** The conditions of objects as a watch has told of them: who writes them need not ask for each object first. */
export class SeenConditions {
  readonly #seen = new Map<string, Seen>();

  upsert(kind: string, raw: unknown): void {
    const { key, uid, object } = named(kind, raw);
    this.#seen.set(key, { kind, uid, conditions: readConditions(object) });
  }

  delete(kind: string, raw: unknown): void {
    this.#seen.delete(named(kind, raw).key);
  }

  /** Makes `raws` all that there is of a kind. */
  replace(kind: string, raws: readonly unknown[]): void {
    for (const [key, seen] of this.#seen) if (seen.kind === kind) this.#seen.delete(key);
    for (const raw of raws) this.upsert(kind, raw);
  }

  of({ kind, metadata }: StatusObject): readonly Condition[] | undefined {
    const seen = this.#seen.get(`${kind}/${metadata.namespace}/${metadata.name}`);
    return seen?.uid === metadata.uid ? seen.conditions : undefined;
  }
}

function named(kind: string, raw: unknown) {
  const object = new Json(raw, '', []);
  const text = (field: string) => object.at('metadata').at(field).optionalString() ?? '';
  return { object, uid: text('uid'), key: `${kind}/${text('namespace')}/${text('name')}` };
}
