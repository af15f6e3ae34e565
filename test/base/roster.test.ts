import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { type Member, Roster } from '../../src/base/roster.ts';

interface Numbered extends Member {
  readonly item: number;
}

test('roster: holds what was added and has not left, whoever leaves first', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { maxLength: 60 }), (steps) => {
      const roster = new Roster<Numbered>();
      const entries: Numbered[] = [];
      const expected = new Set<number>();
      for (const [i, step] of steps.entries()) {
        const entry = entries[step];
        if (entry === undefined) {
          entries.push(roster.add({ item: i, place: -1 }));
          expected.add(i);
        } else {
          roster.delete(entry); // perhaps for the second time
          expected.delete(entry.item);
        }
        assert.equal(roster.size, expected.size);
        assert.deepEqual(new Set(Array.from(roster, ({ item }) => item)), expected);
      }
    }),
  );
});

test('roster: may be emptied while it is looked through', () => {
  const roster = new Roster<Member & { readonly item: string }>();
  const entries = ['a', 'b', 'c'].map((item) => roster.add({ item, place: -1 }));
  const seen: string[] = [];
  for (const { item } of roster) {
    seen.push(item);
    for (const entry of entries) roster.delete(entry);
  }
  assert.deepEqual(seen, ['a', 'b', 'c']);
});

test('roster: holds what was added and not yet taken away, in whatever order and however often', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(9), { maxLength: 60 }), (steps) => {
      const running = new Roster<Member>();
      const expected = new Set<number>();
      const members = Array.from({ length: 10 }, () => ({ place: -1 }));
      for (const n of steps) {
        if (expected.delete(n)) running.delete(members[n]!);
        else {
          expected.add(n);
          running.add(members[n]!);
          running.add(members[n]!); // an exchange that was held for a lookup comes past again
        }
        assert.equal(running.size, expected.size);
        assert.deepEqual(new Set(running), new Set([...expected].map((i) => members[i]!)));
      }
      for (const member of members) running.delete(member); // also those that are not there
      assert.equal(running.size, 0);
    }),
  );
});
