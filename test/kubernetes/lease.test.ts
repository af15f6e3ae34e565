import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { FakeClock } from '../../src/base/clock.ts';
import { leaseElection } from '../../src/kubernetes/lease.ts';
import { fail, type Stored } from './fake-api-server.ts';
import { eventually, setup } from './setup.ts';

const LEASES = '/apis/coordination.k8s.io/v1/namespaces/weft-system/leases';
const LEASE = `${LEASES}/leader`;

async function started(t: TestContext) {
  const parts = await setup(t);
  const clock = new FakeClock();
  let active = 0;
  const candidate = (identity: string) => {
    const options = { ...parts.common, clock, namespace: 'weft-system', name: 'leader', identity };
    const { leading, run } = leaseElection(options);
    const end = new AbortController();
    let running: Promise<void> = Promise.resolve();
    parts.run((signal) => (running = run(AbortSignal.any([signal, end.signal]))));
    active += 1;
    const stop = () => {
      active -= 1;
      end.abort();
      return running;
    };
    return { leads: () => leading.current() === true, leading, stop };
  };
  /** Moves time on in steps until `holds`, never while a request is under way. Gives back how much it took. */
  const pass = async (holds: () => boolean, limitMs = 120_000): Promise<number> => {
    const begin = clock.now();
    while (!holds()) {
      if (clock.now() - begin > limitMs) throw new Error(`never came true: ${holds.toString()}`);
      await eventually(() => clock.sleeping === active);
      await clock.advance(500);
    }
    return clock.now() - begin;
  };
  const spec = () => parts.server.get(LEASE)?.['spec'] as Record<string, unknown> | undefined;
  return { ...parts, clock, candidate, pass, spec };
}

function lease(holderIdentity: string, renewTime = '2026-01-01T00:00:00.000000Z'): Stored {
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'leader', namespace: 'weft-system', labels: { kept: 'yes' } },
    spec: { holderIdentity, leaseDurationSeconds: 15, renewTime, leaseTransitions: 3 },
  };
}

test('lease: a lone candidate creates the lease and keeps it', async (t) => {
  const { candidate, pass, spec } = await started(t);
  const a = candidate('a');
  assert.equal(a.leads(), false);
  await pass(a.leads);
  const first = spec();
  assert.deepEqual(
    [first?.['holderIdentity'], first?.['leaseDurationSeconds'], first?.['leaseTransitions']],
    ['a', 15, 0],
  );
  assert.match(String(first?.['renewTime']), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  await pass(() => spec()?.['renewTime'] !== first?.['renewTime']);
  assert.equal(spec()?.['acquireTime'], first?.['acquireTime']);
  assert.ok(a.leads());
});

test('lease: is not taken from a holder that renews, however old its times are', async (t) => {
  const { server, candidate, pass, clock } = await started(t);
  server.put(LEASE, lease('other'));
  const a = candidate('a');
  for (let i = 0; i < 10; i += 1) {
    const end = clock.now() + 10_000;
    await pass(() => clock.now() >= end);
    server.put(LEASE, lease('other', `1999-01-01T00:00:0${i}.000000Z`)); // that machine's clock is wrong
    assert.equal(a.leads(), false);
  }
});

test('lease: is taken over when its holder was silent for its duration, and the transition is counted', async (t) => {
  const { server, candidate, pass, spec } = await started(t);
  server.put(LEASE, lease('dead'));
  const a = candidate('a');
  const took = await pass(a.leads);
  assert.ok(took >= 15_000 && took < 22_000, `${took} ms`);
  assert.deepEqual([spec()?.['holderIdentity'], spec()?.['leaseTransitions']], ['a', 4]);
  assert.deepEqual(server.get(LEASE)?.metadata['labels'], { kept: 'yes' });
});

test('lease: is handed back at the end, so that the next one need not wait', async (t) => {
  const { candidate, pass, spec } = await started(t);
  const a = candidate('a');
  await pass(a.leads);
  const b = candidate('b');
  await a.stop();
  assert.equal(a.leads(), false);
  assert.equal(spec()?.['holderIdentity'], '');
  const took = await pass(b.leads);
  assert.ok(took < 5_000, `${took} ms`);
});

test('lease: a leader that cannot renew steps down before others may take over', async (t) => {
  const { server, candidate, pass } = await started(t);
  const a = candidate('a');
  await pass(a.leads);
  server.intercept = (_, response) => {
    fail(response, 500, 'InternalError');
    return true;
  };
  const took = await pass(() => !a.leads());
  assert.ok(took >= 5_000 && took < 13_000, `${took} ms`);
  server.intercept = () => false;
  await pass(a.leads);
});

test('lease: a leader whose lease somebody else got steps down at once', async (t) => {
  const { server, candidate, pass } = await started(t);
  const a = candidate('a');
  await pass(a.leads);
  server.put(LEASE, lease('usurper'));
  const took = await pass(() => !a.leads());
  assert.ok(took < 5_000, `${took} ms`);
});

test('lease: of three candidates at most one leads at any moment', async (t) => {
  const { server, candidate, pass } = await started(t);
  const all = ['a', 'b', 'c'].map(candidate);
  let most = 0;
  for (const { leading } of all) leading.subscribe(() => (most = Math.max(most, all.filter((c) => c.leads()).length)));
  for (const _ of all.slice(1)) {
    await pass(() => all.some((c) => c.leads()));
    const leader = all.find((c) => c.leads());
    server.cut();
    await leader?.stop();
  }
  await pass(() => all.some((c) => c.leads()));
  assert.equal(most, 1);
});
