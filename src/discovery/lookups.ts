import type { Clock } from '../base/clock.ts';
import type { Channel } from './channel.ts';
import type { LookupQuery } from './session.ts';

/** A request is held this long while its destination is looked up. */
const LOOKUP_TIMEOUT_MS = 2000;
/** More questions than this at once are a scan, not an app. */
const MAX_PENDING = 64;

interface Pending {
  readonly promise: Promise<boolean>;
  readonly settle: (found: boolean) => void;
}

/** The questions of one proxy that wait for an answer. Equal questions share one. */
export class Lookups {
  readonly #clock: Clock;
  readonly #byQuery = new Map<string, Pending>();
  readonly #byId = new Map<number, Pending>();
  #lastId = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param channel undefined while there is no connection: then nobody knows */
  ask(query: LookupQuery, channel: Channel | undefined): Promise<boolean> {
    const key = JSON.stringify([query.name, query.address]);
    const same = this.#byQuery.get(key);
    if (same !== undefined) return same.promise;
    if (channel === undefined || channel.closed || this.#byQuery.size >= MAX_PENDING) return Promise.resolve(false);
    const id = ++this.#lastId;
    const done = new AbortController();
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const settle = (found: boolean) => {
      done.abort();
      this.#byQuery.delete(key);
      this.#byId.delete(id);
      resolve(found);
    };
    const pending = { promise, settle };
    this.#byQuery.set(key, pending);
    this.#byId.set(id, pending);
    this.#clock.sleep(LOOKUP_TIMEOUT_MS, done.signal).then(
      () => settle(false),
      () => undefined,
    );
    channel.send({ type: 'lookup', id, ...query });
    return promise;
  }

  answer(id: number, found: boolean): void {
    this.#byId.get(id)?.settle(found);
  }

  /** The connection is gone: nothing will be answered. */
  fail(): void {
    for (const pending of [...this.#byId.values()]) pending.settle(false);
  }
}
