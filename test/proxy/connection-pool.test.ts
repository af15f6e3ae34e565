import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../../src/base/clock.ts';
import type { ClientConnection } from '../../src/proxy/codec/stream.ts';
import { ProxyError } from '../../src/proxy/error.ts';
import { ConnectionPool } from '../../src/proxy/pool/connection-pool.ts';
import type { Waiter } from '../../src/proxy/pool/pool.ts';
import { RetryBudget } from '../../src/proxy/pool/retry-budget.ts';

/** Somebody in line; `told` says what became of it. */
class Caller implements Waiter {
  cancelled = false;
  told = '';

  onConnection(connection: ClientConnection): void {
    (connection as { active: number }).active++;
    this.told = 'connection';
  }

  onNoConnection(error: ProxyError): void {
    this.told = error.code;
  }
}

function connection(): ClientConnection {
  const made = {
    onChange() {},
    gone: false,
    active: 0,
    capacity: () => (made.gone ? 0 : 1 - made.active),
    open: () => assert.fail('nobody opens a stream here'),
    drain() {},
    destroy() {},
  };
  return made as unknown as ClientConnection;
}

interface Scene {
  readonly pool: ConnectionPool;
  /** Dials that have not been answered. */
  readonly dials: ((result: ClientConnection | ProxyError) => void)[];
  readonly take: () => Caller;
  readonly leave: (caller: Caller) => void;
}

function scene(maxWaiters = 100): Scene {
  const dials: Scene['dials'] = [];
  const pool = new ConnectionPool({
    name: 'app',
    kind: 'http1',
    dial: (done) => dials.push(done),
    clock: new FakeClock(1_000),
    random: () => 0,
    maxConnections: 1000,
    streamsPerConnection: 1,
    maxWaiters,
    waitTimeoutMs: 10_000,
    idleMs: 3_000,
    maxAgeMs: 100_000,
  });
  const take = () => {
    const caller = new Caller();
    pool.take(caller);
    return caller;
  };
  const leave = (caller: Caller) => {
    caller.cancelled = true;
    pool.forsaken();
  };
  return { pool, dials, take, leave };
}

test('connection pool: a connection is dialled for each who waits, but not for those who have gone', () => {
  const { dials, take, leave } = scene();
  for (let i = 0; i < 90; i++) leave(take());
  assert.equal(dials.length, 1, 'for the first, and free for who comes next');
  const waiting = [take(), take()];
  assert.equal(dials.length, 2);
  for (const dial of dials) dial(connection());
  assert.deepEqual(
    waiting.map(({ told }) => told),
    ['connection', 'connection'],
  );
});

test('connection pool: those who have gone are told so, and take nobody the place in line', () => {
  const { pool, take, leave } = scene(20);
  const gone = Array.from({ length: 300 }, () => {
    const caller = take();
    leave(caller);
    return caller;
  });
  const waiting = Array.from({ length: 20 }, take);
  assert.ok(waiting.every(({ told }) => told === ''));
  assert.equal(take().told, 'OVERLOADED');
  assert.ok(pool.describe().waiting <= 40);
  pool.sweep(2_000);
  assert.ok(gone.every(({ told }) => told === 'DOWNSTREAM_RESET'));
  assert.equal(pool.describe().waiting, 20);
});

test('connection pool: a dial that fails fails who waits for it, and what was counted of who has gone', () => {
  const { dials, take, leave } = scene();
  leave(take());
  const waiting = take();
  dials.pop()!(new ProxyError('CONNECT_FAILED', 'no'));
  assert.equal(waiting.told, 'CONNECT_FAILED');
  const [first, second] = [take(), take()];
  for (const dial of dials.splice(0)) dial(connection());
  assert.deepEqual([first.told, second.told], ['connection', 'connection']);
});

test('retry budget: a reserve that time fills, then a fifth of what is sent; what was left behind costs nothing', () => {
  let now = 0;
  const budget = new RetryBudget(() => now);
  const spend = (count: number) => Array.from({ length: count }, () => budget.spend(false)).filter(Boolean).length;
  const earn = (count: number) => Array.from({ length: count }, () => budget.earn());
  earn(1_000);
  assert.equal(spend(1_000), 250, 'what was sent before trouble began is not saved up');
  assert.equal(budget.spend(true), true);
  earn(100);
  assert.equal(spend(100), 20);
  now += 1_000;
  assert.equal(spend(100), 10);
  assert.deepEqual([budget.used, budget.refused], [281, 750 + 80 + 90]);
  assert.equal(budget.atRest, false);
  now += 26_000;
  assert.equal(budget.atRest, true);
});
