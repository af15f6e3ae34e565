import type { ApiObject } from '../../api-client.ts';
import { deepFreeze } from '../json.ts';
import { compareNames, ResourceStore, type Change } from './resource-store.ts';

/** One write as it is made durable: a put when `object` is given, else a removal. */
export interface JournalRecord {
  readonly revision: number;
  /** `group/resource`. */
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  readonly object?: ApiObject;
}

/** Makes writes durable. `done` is called in the order of the appends; after a failure all later appends fail too. */
export interface Journal {
  append(record: JournalRecord, done: (error?: Error) => void): void;
}

export interface StoreOptions {
  /** Missing: memory only. */
  readonly journal?: Journal;
  /** How many changes of each resource watches can go back. Clients that fall behind further must list again. */
  readonly historySize?: number;
}

/**
 * All objects, by resource, namespace and name, with one revision counter. Reads and watches see what is durable; a write
 * is prepared against what is *staged* (durable or on its way), so that two writers of one object cannot both win.
 */
export class Store {
  readonly #journal: Journal | undefined;
  readonly #historySize: number;
  readonly #resources = new Map<string, ResourceStore>();
  readonly #staged = new Map<string, Map<string, ApiObject | undefined>>();
  #revision = 1;
  #committed = 1;
  #floor = 1;

  constructor({ journal, historySize = 2000 }: StoreOptions) {
    this.#journal = journal;
    this.#historySize = historySize;
  }

  /** The revision of the newest durable write. */
  get revision(): number {
    return this.#committed;
  }

  /** Durable objects of one resource and their history. */
  resource(resource: string): ResourceStore {
    let found = this.#resources.get(resource);
    if (found === undefined) {
      found = new ResourceStore(this.#historySize, this.#floor);
      this.#resources.set(resource, found);
    }
    return found;
  }

  /** Takes over what was durable before a restart; before the first write only. */
  restore(record: JournalRecord): void {
    const { revision, resource, namespace, name, object } = record;
    this.#revision = Math.max(this.#revision, revision);
    this.#committed = this.#revision;
    if (resource === '') return; // the head of a compacted log: says only how far it goes
    this.resource(resource).restore(namespace, name, object === undefined ? undefined : deepFreeze(object));
  }

  /** Ends the restoring: what happened before is no longer known in detail, so watches from before are told 410. */
  restored(): void {
    this.#floor = this.#committed;
    for (const resource of this.#resources.values()) resource.startHistory(this.#floor);
  }

  /** Every durable object, as records that rebuild the store. */
  *snapshot(): Iterable<JournalRecord> {
    for (const [resource, objects] of this.#resources) {
      for (const object of objects.all()) {
        const { namespace = '', name, resourceVersion } = object.metadata;
        yield { revision: Number(resourceVersion), resource, namespace, name, object };
      }
    }
  }

  staged(resource: string, namespace: string, name: string): ApiObject | undefined {
    const staged = this.#staged.get(resource);
    const key = `${namespace}/${name}`;
    return staged?.has(key) === true ? staged.get(key) : this.resource(resource).get(namespace, name);
  }

  /** Staged objects of one resource, in no particular order unless nothing is on its way. */
  stagedList(resource: string): readonly ApiObject[] {
    const staged = this.#staged.get(resource);
    const durable = this.resource(resource).all();
    if (staged === undefined || staged.size === 0) return durable;
    const rest = durable.filter((o) => !staged.has(`${o.metadata.namespace ?? ''}/${o.metadata.name}`));
    return [...rest, ...[...staged.values()].filter((o) => o !== undefined)].sort(compareNames);
  }

  /**
   * Puts an object, with its new resourceVersion. Resolves when it is durable and visible. What `staged` says must not
   * have been awaited upon since the caller looked.
   */
  put(resource: string, object: ApiObject): Promise<ApiObject> {
    const revision = ++this.#revision;
    const stored = deepFreeze({ ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } });
    const { namespace = '', name } = object.metadata;
    return this.#write({ revision, resource, namespace, name, object: stored }, stored);
  }

  /** Removes an object. Resolves with its last state, which carries the resourceVersion of the removal. */
  remove(resource: string, object: ApiObject): Promise<ApiObject> {
    const revision = ++this.#revision;
    const { namespace = '', name } = object.metadata;
    const last = deepFreeze({ ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } });
    return this.#write({ revision, resource, namespace, name }, last);
  }

  #write(record: JournalRecord, result: ApiObject): Promise<ApiObject> {
    if (this.#journal === undefined) {
      this.#commit(record, result);
      return Promise.resolve(result);
    }
    const key = `${record.namespace}/${record.name}`;
    let staged = this.#staged.get(record.resource);
    if (staged === undefined) this.#staged.set(record.resource, (staged = new Map()));
    staged.set(key, record.object);
    const journal = this.#journal;
    return new Promise((resolve, reject) => {
      journal.append(record, (error) => {
        if (error !== undefined) {
          this.#staged.clear(); // every write that is on its way builds on this one, and fails as well
          return reject(error);
        }
        if (staged.get(key) === record.object) staged.delete(key);
        this.#commit(record, result);
        resolve(result);
      });
    });
  }

  #commit(record: JournalRecord, result: ApiObject): void {
    this.#committed = record.revision;
    this.resource(record.resource).commit(record, result);
  }
}

export type { Change };
