import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../base/clock.ts';
import type { Diagnostic } from '../base/diagnostic.ts';
import type { Logger } from '../base/log.ts';
import { Json } from '../spec/json.ts';
import type { SmiObject } from '../spec/read.ts';
import { type KubernetesApi, MERGE_PATCH } from './api.ts';
import { type Condition, conditionsOf, type FaultyCondition, type Progress } from './conditions.ts';
import { isConflict, isNotFound } from './error.ts';
import { pathOf, watchedKind } from './kinds.ts';

export interface StatusWriterOptions {
  readonly api: Pick<KubernetesApi, 'call'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly conditionOf: (diagnostic: Diagnostic) => FaultyCondition | undefined;
}

interface Written {
  readonly uid: string;
  readonly conditions: readonly Condition[];
  /** When it was last written; long ago if not by us. */
  readonly atMs: number;
}

/** While thousands of sidecars take a change over, "live on 17 of 2000" is not written more often than this. */
const PROGRESS_MS = 5_000;

/**
 * Writes conditions into SMI objects, and only when they change: each write moves the object's resourceVersion, and a
 * canary tool that is about to write would lose its try. Only the status is ever written, through its
 * subresource, without a resourceVersion: it never meets a conflict with those who write the spec.
 */
export class StatusWriter {
  readonly #options: StatusWriterOptions;
  readonly #written = new Map<string, Written>();

  constructor(options: StatusWriterOptions) {
    this.#options = options;
  }

  /** Forgets what was written: the next writes look at the objects first. For the time when another replica led. */
  forget(): void {
    this.#written.clear();
  }

  /** Forgets objects that are not among `keys` (as `statusKey` makes them). */
  keep(keys: ReadonlySet<string>): void {
    for (const key of this.#written.keys()) if (!keys.has(key)) this.#written.delete(key);
  }

  /** Brings the conditions of one object up to date. Gives back a time when a write that was put off should be tried. */
  async write(
    object: SmiObject,
    findings: readonly Diagnostic[],
    progress: Progress | undefined,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const key = statusKey(object);
    const known = this.#written.get(key);
    const current = known?.uid === object.metadata.uid ? known : await this.#read(object, signal);
    if (current === undefined) return undefined; // deleted, or made anew, in the meantime: the watch will tell
    const now = new Date(this.#options.clock.now()).toISOString().replace(/\.\d+Z$/, 'Z'); // metav1.Time has whole seconds
    const conditions = conditionsOf(object, findings, this.#options.conditionOf, progress, current.conditions, now);
    const changed = !isDeepStrictEqual(conditions, current.conditions);
    const dueMs = current.atMs + PROGRESS_MS;
    if (changed && this.#options.clock.now() < dueMs && onlyProgress(conditions, current.conditions)) return dueMs;
    if (changed && !(await this.#patch(object, conditions, signal))) return undefined;
    const atMs = changed ? this.#options.clock.now() : current.atMs;
    this.#written.set(key, { uid: object.metadata.uid, conditions, atMs });
    return undefined;
  }

  async #read(object: SmiObject, signal: AbortSignal): Promise<Written | undefined> {
    try {
      const raw = new Json(await this.#options.api.call({ method: 'GET', path: pathTo(object) }, signal), '', []);
      const uid = raw.at('metadata').at('uid').optionalString() ?? '';
      if (uid !== object.metadata.uid) return undefined;
      return { uid, conditions: (raw.at('status').at('conditions').items() ?? []).map(readCondition), atMs: -Infinity };
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async #patch(object: SmiObject, conditions: readonly Condition[], signal: AbortSignal): Promise<boolean> {
    const { uid } = object.metadata; // refuses to write into another object of the same name
    const body = { metadata: { uid }, status: { conditions } };
    const path = `${pathTo(object)}/status`;
    try {
      await this.#options.api.call({ method: 'PATCH', path, body, contentType: MERGE_PATCH }, signal);
      return true;
    } catch (error) {
      if (isConflict(error)) return false;
      if (!isNotFound(error)) throw error;
      this.#options.log.debug('object is gone, or its CRD has no status', { object: statusKey(object) });
      return false;
    }
  }
}

export function statusKey(object: Pick<SmiObject, 'kind' | 'metadata'>): string {
  return `${object.kind}/${object.metadata.namespace}/${object.metadata.name}`;
}

function pathTo(object: SmiObject): string {
  return pathOf(watchedKind(object.kind), object.metadata.namespace, object.metadata.name);
}

/** Whether nothing but the number of sidecars differs. */
function onlyProgress(a: readonly Condition[], b: readonly Condition[]): boolean {
  const rest = (all: readonly Condition[]) => all.map((c) => (c.type === 'Programmed' ? { ...c, message: '' } : c));
  return isDeepStrictEqual(rest(a), rest(b));
}

function readCondition(condition: Json): Condition {
  const text = (key: string) => condition.at(key).optionalString() ?? '';
  return {
    type: text('type'),
    status: text('status') as Condition['status'],
    reason: text('reason'),
    message: text('message'),
    lastTransitionTime: text('lastTransitionTime'),
    observedGeneration: condition.at('observedGeneration').optionalNumber() ?? 0,
  };
}
