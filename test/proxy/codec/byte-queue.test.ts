import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteQueue } from '../../../src/proxy/codec/byte-queue.ts';

/** Bytes of which each says where it stands. */
function pattern(length: number, from: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, i) => ((from + i) * 7 + ((from + i) >> 8)) & 255));
}

test('byte queue: gives back what it got, in order, beside others that use the same memory', () => {
  const step = fc.record({
    queue: fc.nat(2),
    push: fc.oneof(fc.nat(100), fc.nat(40_000)),
    take: fc.oneof(fc.constant(0), fc.nat(20_000)),
    tell: fc.boolean(),
    clear: fc.nat(20),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queues = Array.from({ length: 3 }, () => ({ queue: new ByteQueue(), from: 0, to: 0 }));
      for (const { queue: which, push, take, tell, clear } of steps) {
        const one = queues[which]!;
        const { queue } = one;
        queue.push(pattern(push, one.to));
        one.to += push;
        assert.equal(queue.length, one.to - one.from);
        if (clear === 0) {
          queue.clear();
          one.from = one.to;
        }
        if (queue.length === 0) continue;
        if (tell) {
          queue.tell((bytes) => {
            queues[(which + 1) % 3]!.queue.push(Buffer.alloc(0)); // nothing; but what others push must not land in `bytes`
            const other = queues[(which + 2) % 3]!;
            other.queue.push(pattern(5000, other.to));
            other.to += 5000;
            assert.ok(bytes.equals(pattern(bytes.length, one.from)));
            one.from += bytes.length;
          });
        } else {
          const first = queue.first();
          const bytes = Math.min(take, first.length);
          assert.ok(first.subarray(0, bytes).equals(pattern(bytes, one.from)));
          queue.drop(bytes);
          one.from += bytes;
        }
      }
      for (const { queue, from, to } of queues) assert.equal(queue.length, to - from);
    }),
  );
});
