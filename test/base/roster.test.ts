import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Roster, type Entry } from '../../src/base/roster.ts';

test('roster: holds what was added and has not left, whoever leaves first', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { maxLength: 60 }), (steps) => {
      const roster = new Roster<number>();
      const entries: Entry<number>[] = [];
      const expected = new Set<number>();
      for (const [i, step] of steps.entries()) {
        const entry = entries[step];
        if (entry === undefined) {
          entries.push(roster.add(i));
          expected.add(i);
        } else {
          roster.delete(entry); // perhaps for the second time
          expected.delete(entry.item);
        }
        assert.equal(roster.size, expected.size);
        assert.deepEqual(new Set(roster), expected);
      }
    }),
  );
});

test('roster: may be emptied while it is looked through', () => {
  const roster = new Roster<string>();
  const entries = ['a', 'b', 'c'].map((item) => roster.add(item));
  const seen: string[] = [];
  for (const item of roster) {
    seen.push(item);
    for (const entry of entries) roster.delete(entry);
  }
  assert.deepEqual(seen, ['a', 'b', 'c']);
});
