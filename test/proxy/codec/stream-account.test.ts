import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FloodBudget } from '../../../src/proxy/codec/flood-budget.ts';
import { StreamAccount } from '../../../src/proxy/codec/stream-account.ts';

const NEVER = { burst: 1e9, perSecond: 0 };

test('flood budget: so many at once, and then so many in a second', () => {
  let now = 1e6; // a process that has run for a while has no more than others
  const budget = new FloodBudget({ burst: 10, perSecond: 5 }, () => now);
  for (let i = 1; i < 10; i++) assert.ok(budget.spend());
  assert.ok(!budget.spend());
  now += 1000;
  assert.ok(!budget.exhausted);
  for (let i = 0; i < 4; i++) assert.ok(budget.spend());
  assert.ok(!budget.spend());
  now += 10_000;
  assert.ok(budget.atRest);
});

test('flood budget: what is good makes up for what is not, and is not saved up', () => {
  const budget = new FloodBudget({ burst: 10, perSecond: 0 }, () => 0);
  for (let i = 0; i < 1000; i++) budget.earn();
  for (let i = 0; i < 1000; i++) {
    assert.ok(budget.spend());
    budget.earn();
  }
  for (let i = 1; i < 10; i++) assert.ok(budget.spend());
  assert.ok(!budget.spend());
});

test('flood budget: who goes far beyond it is not shut out for long', () => {
  let now = 0;
  const budget = new FloodBudget({ burst: 10, perSecond: 10 }, () => now);
  budget.spend(1e6);
  assert.ok(budget.exhausted);
  now += 1_100;
  assert.ok(!budget.exhausted);
});

test('stream account: one that is answered may call off as much', () => {
  const account = new StreamAccount({ burst: 10, perSecond: 0 }, new FloodBudget({ burst: 10, perSecond: 0 }));
  for (let i = 0; i < 1000; i++) {
    account.answered();
    assert.ok(account.calledOff());
  }
});

test('stream account: what one connection calls off counts against the next from the same place', () => {
  const shared = new FloodBudget({ burst: 10, perSecond: 0 });
  const first = new StreamAccount(NEVER, shared);
  for (let i = 1; i < 10; i++) assert.ok(first.calledOff());
  assert.ok(!first.calledOff());
  const second = new StreamAccount(NEVER, shared);
  assert.ok(!second.calledOff());
  const elsewhere = new StreamAccount(NEVER, new FloodBudget({ burst: 10, perSecond: 0 }));
  assert.ok(elsewhere.calledOff());
});

test('stream account: requests that are lost with their connection count, and then others begin little', () => {
  const shared = new FloodBudget({ burst: 100, perSecond: 0 });
  const good = new StreamAccount(NEVER, shared);
  for (let i = 0; i < 50; i++) good.answered();
  new StreamAccount(NEVER, shared).lost(99);
  const next = new StreamAccount(NEVER, shared);
  assert.ok(next.mayOpen(200));
  new StreamAccount(NEVER, shared).lost(99);
  assert.deepEqual([next.mayOpen(1), next.mayOpen(2)], [true, false]);
  assert.ok(good.mayOpen(40), 'one that was answered goes on');
  assert.ok(good.calledOff(), 'and may change its mind');
  next.answered();
  assert.deepEqual([next.mayOpen(2), next.mayOpen(3)], [true, false]);
});
