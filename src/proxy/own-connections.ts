/** By the last three digits of the port that was dialled from. */
const BUCKETS = 1000;
const ZERO = 0x30;

/**
 * Names of the connections that a proxy has open because it has dialled them (`connectionName`). Most buckets hold none or one.
 *
 * Not a Set: one whose members come and go is copied into a new table again and again, and what was in the old ones is kept
 * until the next full collection (`base/roster.ts`). Where every request is called off, each costs a connection.
 */
export class OwnConnections {
  readonly #buckets: (string[] | undefined)[] = new Array<string[] | undefined>(BUCKETS).fill(undefined);

  add(name: string): void {
    (this.#buckets[bucketOf(name)] ??= []).push(name);
  }

  has(name: string): boolean {
    return this.#buckets[bucketOf(name)]?.includes(name) === true;
  }

  delete(name: string): void {
    const bucket = this.#buckets[bucketOf(name)];
    const at = bucket === undefined ? -1 : bucket.indexOf(name);
    if (at === -1) return;
    const last = bucket!.pop()!;
    if (at < bucket!.length) bucket![at] = last;
  }
}

/** @param name ends its first half with a port, which may have fewer digits than three */
function bucketOf(name: string): number {
  const end = name.indexOf('>');
  let bucket = 0;
  for (let i = Math.max(0, end - 3); i < end; i++) bucket = bucket * 10 + ((name.charCodeAt(i) - ZERO) & 0xf);
  return bucket % BUCKETS;
}
