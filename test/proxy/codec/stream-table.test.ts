import assert from 'node:assert/strict';
import test from 'node:test';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { StreamTable } from '../../../src/proxy/codec/stream-table.ts';

test('stream table: finds what a Map would find, whichever numbers come and go', () => {
  // Few enough that they meet often, and far enough apart that they want the same slots
  const ids = fc.integer({ min: 0, max: 40 }).map((n) => 2 * (n % 8) + 1 + 128 * Math.floor(n / 8));
  fc.assert(
    fc.property(fc.array(fc.record({ id: ids, add: fc.boolean() }), { maxLength: 200 }), (steps) => {
      const table = new StreamTable<{ id: number }>();
      const map = new Map<number, { id: number }>();
      for (const { id, add } of steps) {
        if (!add) assert.equal(table.delete(id), map.delete(id));
        else if (!map.has(id)) {
          const stream = { id };
          table.add(stream);
          map.set(id, stream);
        }
        assert.equal(table.size, map.size);
        for (let n = 1; n < 700; n += 2) assert.equal(table.get(n), map.get(n));
      }
      assert.deepEqual(new Set(table.list()), new Set(map.values()));
    }),
    { numRuns: 50 },
  );
});

test('stream table: streams that are over leave the young generation', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options?: { type: 'minor' }) => void;
  const table = new StreamTable<{ id: number; exchange: number[] }>();
  const exchanges = (from: number, to: number) => {
    for (let id = from; id < to; id += 2) {
      table.add({ id, exchange: new Array<number>(100).fill(id) });
      table.delete(id - 16);
    }
  };
  exchanges(1, 1001);
  collect(); // from here on what is in the table is old
  const before = getHeapStatistics().used_heap_size;
  exchanges(1001, 40_001); // 17 MB
  collect({ type: 'minor' });
  assert.ok(getHeapStatistics().used_heap_size - before < 4e6);
});
