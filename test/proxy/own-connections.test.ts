import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { OwnConnections } from '../../src/proxy/own-connections.ts';

test('own connections: knows what a Set would know, whatever comes and goes', () => {
  const port = fc.constantFrom(1, 80, 4711, 14_711, 34_711, 40_000);
  const name = fc.oneof(
    fc.tuple(port, port).map(([from, to]) => `127.0.0.1:${from}>127.0.0.1:${to}`),
    fc.constantFrom('', '>', 'a>b', '[::1]:5>[::1]:80'),
  );
  fc.assert(
    fc.property(fc.array(fc.record({ name, add: fc.boolean() }), { maxLength: 100 }), (steps) => {
      const own = new OwnConnections();
      const set = new Set<string>();
      for (const { name, add } of steps) {
        if (!add) own.delete(name);
        else if (!set.has(name)) own.add(name);
        if (add) set.add(name);
        else set.delete(name);
        for (const step of steps) assert.equal(own.has(step.name), set.has(step.name));
      }
    }),
    { numRuns: 100 },
  );
});
