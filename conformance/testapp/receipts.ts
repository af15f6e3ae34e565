import type { Receipt, Seen } from './protocol.ts';

const IDS_KEPT = 20_000;
const FIRST_KEPT = 8;

/** Remembers what the app received, by test id: bounded, the oldest id is forgotten first. */
export class Receipts {
  readonly #byId = new Map<string, { count: number; readonly first: Receipt[] }>();

  add(id: string, receipt: Receipt): void {
    let entry = this.#byId.get(id);
    if (entry === undefined) {
      entry = { count: 0, first: [] };
      this.#byId.set(id, entry);
      if (this.#byId.size > IDS_KEPT) this.#byId.delete(this.#byId.keys().next().value ?? '');
    }
    entry.count++;
    if (entry.first.length < FIRST_KEPT) entry.first.push(receipt);
  }

  /** What came under these ids; an id that never came is counted 0. */
  seen(ids: readonly string[]): Record<string, Seen> {
    return Object.fromEntries(ids.map((id) => [id, this.#byId.get(id) ?? { count: 0, first: [] }]));
  }
}
