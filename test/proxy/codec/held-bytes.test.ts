import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HeldBytes } from '../../../src/proxy/codec/held-bytes.ts';

test('held bytes: what is not taken is there the next time, whatever the lender writes meanwhile', () => {
  const steps = fc.array(fc.record({ bytes: fc.uint8Array({ minLength: 1, maxLength: 9 }), take: fc.nat(12) }));
  fc.assert(
    fc.property(steps, (all) => {
      const lent = Buffer.alloc(9);
      const held = new HeldBytes();
      let expected = Buffer.alloc(0);
      for (const { bytes, take } of all) {
        lent.set(bytes);
        held.add(lent.subarray(0, bytes.length));
        expected = Buffer.concat([expected, bytes]);
        const taken = Math.min(take, expected.length);
        held.drop(taken);
        expected = expected.subarray(taken);
        held.keep();
        lent.fill(0xee);
        assert.deepEqual([...held.bytes], [...expected]);
      }
      assert.deepEqual([...held.takeAll()], [...expected]);
      assert.equal(held.length, 0);
    }),
  );
});

test('held bytes: what is taken at once is not copied', () => {
  const held = new HeldBytes();
  const lent = Buffer.from('abc');
  held.add(lent);
  assert.equal(held.bytes, lent);
});
