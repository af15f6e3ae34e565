import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../base/clock.ts';
import type { Diagnostic } from '../base/diagnostic.ts';
import type { Logger } from '../base/log.ts';
import { Json } from '../spec/json.ts';
import { type KubernetesApi, MERGE_PATCH } from './api.ts';
import {
  type Condition,
  conditionsOf,
  type FaultyCondition,
  type Progress,
  readConditions,
  type StatusObject,
} from './conditions.ts';
import { isConflict, isInvalid, isNotFound } from './error.ts';
import { pathOf, watchedKind } from './kinds.ts';

export interface StatusWriterOptions {
  readonly api: Pick<KubernetesApi, 'call'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly conditionOf: (diagnostic: Diagnostic) => FaultyCondition | undefined;
  /** The conditions that an object had when it was last heard of; undefined: not known, the API server is asked. */
  readonly seen?: (object: StatusObject) => readonly Condition[] | undefined;
}

interface Written {
  readonly uid: string;
  readonly conditions: readonly Condition[];
  /** When it was last written; long ago if not by us. */
  readonly atMs: number;
  /** Since when there is something to write that can wait; undefined: there is nothing. */
  readonly waitingSinceMs?: number;
}

/** News that can wait waits for this long: by then a change is live as a rule, and one write says all of it. */
const SETTLE_MS = 1_000;
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
    object: StatusObject,
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
    const { uid, atMs, waitingSinceMs = this.#options.clock.now() } = current;
    if (isDeepStrictEqual(conditions, current.conditions)) {
      this.#written.set(key, { uid, conditions, atMs });
      return undefined;
    }
    const dueMs = duePatience(conditions, current.conditions, waitingSinceMs, atMs);
    if (this.#options.clock.now() < dueMs) {
      this.#written.set(key, { ...current, waitingSinceMs });
      return dueMs;
    }
    if (!(await this.#patch(object, conditions, signal))) return undefined;
    this.#written.set(key, { uid, conditions, atMs: this.#options.clock.now() });
    return undefined;
  }

  async #read(object: StatusObject, signal: AbortSignal): Promise<Written | undefined> {
    const seen = this.#options.seen?.(object);
    if (seen !== undefined) return { uid: object.metadata.uid, conditions: seen, atMs: -Infinity };
    try {
      const raw = new Json(await this.#options.api.call({ method: 'GET', path: pathTo(object) }, signal), '', []);
      const uid = raw.at('metadata').at('uid').optionalString() ?? '';
      if (uid !== object.metadata.uid) return undefined;
      return { uid, conditions: readConditions(raw), atMs: -Infinity };
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** What is older than the CRD and not what it admits cannot be written at all on Kubernetes before 1.30: its Events have to do. */
  #unwritable(object: StatusObject, error: unknown): true {
    this.#options.log.warn('status is refused', { object: statusKey(object), error: String(error) });
    return true; // as good as written: the same would be refused again
  }

  async #patch(object: StatusObject, conditions: readonly Condition[], signal: AbortSignal): Promise<boolean> {
    const { uid } = object.metadata; // refuses to write into another object of the same name
    const body = { metadata: { uid }, status: { conditions } };
    const path = `${pathTo(object)}/status`;
    try {
      await this.#options.api.call({ method: 'PATCH', path, body, contentType: MERGE_PATCH }, signal);
      return true;
    } catch (error) {
      if (isConflict(error)) return false;
      if (isInvalid(error)) return this.#unwritable(object, error);
      if (!isNotFound(error)) throw error;
      this.#options.log.debug('object is gone, or its CRD has no status', { object: statusKey(object) });
      return false;
    }
  }
}

export function statusKey(object: StatusObject): string {
  return `${object.kind}/${object.metadata.namespace}/${object.metadata.name}`;
}

function pathTo(object: StatusObject): string {
  return pathOf(watchedKind(object.kind), object.metadata.namespace, object.metadata.name);
}

/**
 * When a change must be written; -Infinity is at once. What is wrong or right with an object, and that it is live, are
 * said at once. That it is on its way can wait until it probably has arrived, since a canary tool that is about to write
 * the object loses its try with each of our writes; and pods come and go all the time.
 */
function duePatience(next: readonly Condition[], old: readonly Condition[], sinceMs: number, writtenMs: number) {
  const find = (all: readonly Condition[]) => all.find(({ type }) => type === 'Programmed');
  const [now, before] = [find(next), find(old)];
  // A new object is on its way as a rule, and what it refers to is about to come
  if (now !== undefined && old.length === 0 && MAY_PASS.has(now.reason) && isFine(next)) return sinceMs + SETTLE_MS;
  if (now === undefined || before === undefined || !isDeepStrictEqual(others(next), others(old))) return -Infinity;
  const newlyLive = now.status === 'True' && !isDeepStrictEqual(stateOf(now), stateOf(before));
  if (newlyLive) return -Infinity;
  const sameGeneration = now.observedGeneration === before.observedGeneration;
  return Math.max(sinceMs + SETTLE_MS, sameGeneration ? writtenMs + PROGRESS_MS : -Infinity);
}

/** Why Programmed is not true yet, but may be in a moment. */
const MAY_PASS = new Set(['Pending', 'NoSidecars']);

function isFine(all: readonly Condition[]): boolean {
  return all.every(({ type, status }) => type === 'Programmed' || (status === 'True') !== (type === 'Conflicted'));
}

/** Everything but how far it has got, whatever generation it was found for. */
function others(all: readonly Condition[]): readonly Condition[] {
  return all.filter(({ type }) => type !== 'Programmed').map((c) => ({ ...c, observedGeneration: 0 }));
}

function stateOf({ status, observedGeneration }: Condition): readonly unknown[] {
  return [status, observedGeneration];
}
