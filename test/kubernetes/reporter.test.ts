import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { FakeClock } from '../../src/base/clock.ts';
import type { Diagnostic } from '../../src/base/diagnostic.ts';
import { WatchSource } from '../../src/base/watch.ts';
import { compile } from '../../src/compile/compile.ts';
import type { Condition, Progress } from '../../src/kubernetes/conditions.ts';
import { reporter } from '../../src/kubernetes/reporter.ts';
import { SnapshotStore } from '../../src/spec/snapshot-store.ts';
import { fail, type Stored } from './fake-api-server.ts';
import { setup, split } from './setup.ts';

const EVENTS = '/api/v1/events';
const WEB = split('web', 90, 10);

async function started(t: TestContext) {
  const parts = await setup(t);
  const clock = new FakeClock();
  const leading = new WatchSource(true);
  const make = (instance: string) => reporter({ ...parts.common, clock, leading, instance });
  const { report, due } = make('one');
  const { server, signal } = parts;
  server.put(WEB.path, WEB.object);
  /** What an informer would have made of the server's splits. */
  const snapshot = () => {
    const store = new SnapshotStore();
    store.replace('TrafficSplit', server.list('/apis/split.smi-spec.io/v1alpha4/trafficsplits'));
    return store.snapshot();
  };
  const say = (...diagnostics: Diagnostic[]) => report({ snapshot: snapshot(), diagnostics }, signal);
  const progress = (of: Progress) => report({ snapshot: snapshot(), diagnostics: [], progress: () => of }, signal);
  const conditions = () => (server.get(WEB.path)?.['status'] as { conditions: Condition[] } | undefined)?.conditions;
  const shown = () => conditions()?.map((c) => `${c.type}=${c.status} ${c.reason}`);
  const events = () => server.list(EVENTS);
  const writes = () => server.requests.filter((r) => r.method !== 'GET').length;
  return { ...parts, clock, leading, make, report, snapshot, say, progress, conditions, shown, events, writes, due };
}

function finding(more: Partial<Diagnostic> = {}): Diagnostic {
  const object = { apiVersion: 'split.smi-spec.io/v1alpha4', kind: 'TrafficSplit', namespace: 'shop', name: 'web' };
  const path = 'spec.backends[1].service';
  return { code: 'SMI1203', level: 'error', object, path, message: 'does not exist', fix: 'create it', ...more };
}

test('reporter: an object without findings is accepted', async (t) => {
  const { say, conditions } = await started(t);
  await say();
  assert.deepEqual(conditions(), [
    {
      type: 'Accepted',
      status: 'True',
      reason: 'Accepted',
      message: 'the mesh has taken this object on',
      lastTransitionTime: '2026-01-01T00:00:00Z',
      observedGeneration: 1,
    },
    {
      type: 'ResolvedRefs',
      status: 'True',
      reason: 'ResolvedRefs',
      message: 'everything that this object refers to exists',
      lastTransitionTime: '2026-01-01T00:00:00Z',
      observedGeneration: 1,
    },
    {
      type: 'Conflicted',
      status: 'False',
      reason: 'NoConflict',
      message: 'no other object has precedence over this one',
      lastTransitionTime: '2026-01-01T00:00:00Z',
      observedGeneration: 1,
    },
  ]);
});

test('reporter: each finding makes its condition faulty, with the code as reason and the sentence as message', async (t) => {
  const { say, shown, conditions } = await started(t);
  await say(
    finding(),
    finding({ code: 'SMI1206', level: 'warning', path: 'spec.service' }),
    finding({ code: 'SMI1201', path: 'spec' }),
    finding({ code: 'SMI1213', level: 'info' }),
    finding({ code: 'SMI1207', level: 'warning' }),
  );
  assert.deepEqual(shown(), ['Accepted=False SMI1201', 'ResolvedRefs=False SMI1203', 'Conflicted=True SMI1206']);
  assert.equal(conditions()?.[1]?.message, 'spec.backends[1].service: does not exist; fix: create it.');
});

test('reporter: an object that cannot be read says so in every condition', async (t) => {
  const { server, clock, say, conditions, shown, snapshot, writes, report, signal } = await started(t);
  server.put(WEB.path, split('web', '90').object);
  const broken = { snapshot: snapshot(), diagnostics: snapshot().remarks, progress: () => ({ live: 1, of: 1 }) };
  await report(broken, signal);
  assert.deepEqual(shown(), [
    'Accepted=False SMI0001',
    'ResolvedRefs=Unknown Unreadable',
    'Conflicted=Unknown Unreadable',
    'Programmed=False Unreadable',
  ]);
  assert.match(
    conditions()?.[0]?.message ?? '',
    /spec\.backends\[0\]\.weight must be a number, is the text "90"; .*fix: correct/,
  );
  const before = writes();
  await report(broken, signal);
  assert.equal(writes(), before, 'once');
  await clock.advance(1_000);
  server.put(WEB.path, { ...WEB.object, status: server.get(WEB.path)?.['status'] });
  await say();
  assert.deepEqual(shown()?.slice(0, 3), ['Accepted=True Accepted', 'ResolvedRefs=True ResolvedRefs', 'Conflicted=False NoConflict']); // prettier-ignore
});

test('reporter: writes nothing when nothing changed, and looks at each object once', async (t) => {
  const { server, say, writes } = await started(t);
  await say(finding());
  const before = writes();
  const reads = server.requests.length - before;
  await say(finding());
  await say(finding());
  assert.equal(writes(), before);
  assert.equal(server.requests.length - writes(), reads);
});

test('reporter: does not ask for an object whose conditions the watch has told, nor writes them again', async (t) => {
  const { server, common, clock, leading, snapshot, say, conditions, writes, signal } = await started(t);
  await say();
  const [reads, before] = [server.requests.length - writes(), writes()];
  const seen = () => conditions();
  const successor = reporter({ ...common, clock, leading, instance: 'two', seen });
  await successor.report({ snapshot: snapshot(), diagnostics: [] }, signal);
  assert.deepEqual([server.requests.length - writes(), writes()], [reads, before]);
  await successor.report({ snapshot: snapshot(), diagnostics: [finding()] }, signal);
  assert.equal(conditions()?.[1]?.reason, 'SMI1203');
});

test('reporter: touches the status only, by merge patch, and never meets a conflict with writers of the spec', async (t) => {
  const { server, say, shown, snapshot, make, signal } = await started(t);
  const seen = snapshot();
  const flagger = { ...WEB.object, spec: { ...WEB.object.spec, backends: [{ service: 'web-v1', weight: 1 }] } };
  server.put(WEB.path, flagger); // written after our snapshot
  await make('one').report({ snapshot: seen, diagnostics: [] }, signal);
  assert.deepEqual(server.get(WEB.path)?.['spec'], flagger.spec);
  assert.ok(shown());
  await say();
  for (const { method, path, headers, body } of server.requests.filter((r) => r.path.includes('trafficsplits'))) {
    if (method === 'GET') continue;
    assert.deepEqual([method, path], ['PATCH', `${WEB.path}/status`]);
    assert.equal(headers['content-type'], 'application/merge-patch+json');
    assert.deepEqual(Object.keys(body as object), ['metadata', 'status']);
    assert.deepEqual(Object.keys((body as Stored).metadata), ['uid']);
  }
});

test('reporter: the time of a transition stays while the status does, the generation follows', async (t) => {
  const { server, clock, say, conditions } = await started(t);
  await say();
  await clock.advance(60_000);
  server.put(WEB.path, { ...WEB.object, status: server.get(WEB.path)?.['status'] });
  await say(finding());
  const times = conditions()?.map((c) => `${c.type} ${c.lastTransitionTime} ${c.observedGeneration}`);
  assert.deepEqual(times, [
    'Accepted 2026-01-01T00:00:00Z 2',
    'ResolvedRefs 2026-01-01T00:01:00Z 2',
    'Conflicted 2026-01-01T00:00:00Z 2',
  ]);
});

test('reporter: conditions of others stay', async (t) => {
  const { server, say, shown } = await started(t);
  const theirs = { type: 'example.com/Audited', status: 'True', reason: 'Done', message: '', lastTransitionTime: 'x' };
  server.put(WEB.path, { ...WEB.object, status: { conditions: [{ ...theirs, observedGeneration: 1 }] } }, true);
  await say();
  assert.deepEqual(shown()?.at(-1), 'example.com/Audited=True Done');
});

test('reporter: tells how many sidecars have it', async (t) => {
  const { clock, progress, shown, conditions } = await started(t);
  await progress({ live: 1, of: 3 });
  await clock.advance(1_000);
  await progress({ live: 1, of: 3 });
  assert.equal(shown()?.[3], 'Programmed=False Pending');
  assert.equal(conditions()?.[3]?.message, 'live on 1 of 3 sidecars');
  await progress({ live: 3, of: 3 });
  assert.equal(shown()?.[3], 'Programmed=True Programmed');
});

test('reporter: the way of a change to many sidecars is a few writes, and ends with the truth', async (t) => {
  const { clock, progress, conditions, writes, due } = await started(t);
  const message = () => conditions()?.[3]?.message;
  await progress({ live: 0, of: 200 });
  await clock.advance(1_000);
  let asked = 0;
  due.subscribe(() => (asked += 1));
  for (let live = 0; live < 100; live += 1) await progress({ live, of: 200 });
  assert.deepEqual([writes(), message()], [1, 'live on 0 of 200 sidecars']);
  await clock.advance(5_000);
  assert.equal(asked, 1);
  await progress({ live: 100, of: 200 });
  assert.deepEqual([writes(), message()], [2, 'live on 100 of 200 sidecars']);
  await progress({ live: 200, of: 200 });
  assert.deepEqual([writes(), message()], [3, 'live on 200 of 200 sidecars']);
});

test('reporter: a new object that is live soon is one write, and one that is wrong is said at once', async (t) => {
  const { server, clock, report, snapshot, progress, shown, writes, signal } = await started(t);
  for (const live of [0, 1, 2]) {
    await progress({ live, of: 3 });
    await clock.advance(50);
  }
  assert.equal(writes(), 0);
  await progress({ live: 3, of: 3 });
  assert.deepEqual([writes(), shown()?.[3]], [1, 'Programmed=True Programmed']);
  server.delete(WEB.path);
  server.put(WEB.path, WEB.object);
  await report({ snapshot: snapshot(), diagnostics: [finding()], progress: () => ({ live: 0, of: 3 }) }, signal);
  assert.deepEqual(shown()?.slice(1, 2), ['ResolvedRefs=False SMI1203']);
});

test('reporter: new weights that are live soon are one write, which says so', async (t) => {
  const { server, clock, progress, conditions, writes } = await started(t);
  const current = () => conditions()?.[3];
  await progress({ live: 3, of: 3 });
  for (let weight = 1; weight <= 20; weight += 1) {
    const before = writes();
    const { status } = server.get(WEB.path)!;
    server.put(WEB.path, {
      ...WEB.object,
      spec: { service: 'web', backends: [{ service: 'web-v1', weight }] },
      status,
    });
    for (const live of [0, 1, 2, 3]) {
      await progress({ live, of: 3 });
      await clock.advance(50);
    }
    assert.equal(current()?.observedGeneration, weight + 1);
    assert.equal(current()?.status, 'True');
    assert.equal(writes() - before, 1);
  }
});

test('reporter: new weights that do not get through are said within a second', async (t) => {
  const { server, clock, progress, conditions, writes, due } = await started(t);
  await progress({ live: 3, of: 3 });
  const { status } = server.get(WEB.path)!;
  server.put(WEB.path, { ...WEB.object, spec: { service: 'web', backends: [] }, status });
  let asked = 0;
  due.subscribe(() => (asked += 1));
  await progress({ live: 2, of: 3 });
  assert.equal(writes(), 1);
  await clock.advance(1_000);
  assert.equal(asked, 1);
  await progress({ live: 2, of: 3 });
  const { observedGeneration, message, reason } = conditions()![3]!;
  assert.deepEqual([observedGeneration, message, reason], [2, 'live on 2 of 3 sidecars', 'Pending']);
});

test('reporter: a sidecar that comes or goes for a moment moves nothing', async (t) => {
  const { clock, progress, writes } = await started(t);
  await progress({ live: 3, of: 3 });
  await clock.advance(60_000);
  for (const live of [3, 2, 3]) {
    await progress({ live, of: 3 });
    await clock.advance(300);
  }
  assert.equal(writes(), 1);
});

test('reporter: what is wrong is said at once, whatever else is under way', async (t) => {
  const { snapshot, report, progress, shown, signal } = await started(t);
  await progress({ live: 3, of: 3 });
  await report({ snapshot: snapshot(), diagnostics: [finding()], progress: () => ({ live: 0, of: 3 }) }, signal);
  assert.deepEqual(shown()?.slice(1), [
    'ResolvedRefs=False SMI1203',
    'Conflicted=False NoConflict',
    'Programmed=False Pending',
  ]);
});

test('reporter: an object that concerns no sidecar is in force nowhere', async (t) => {
  const { clock, progress, shown, conditions } = await started(t);
  await progress({ live: 0, of: 0 });
  await clock.advance(1_000);
  await progress({ live: 0, of: 0 });
  assert.equal(shown()?.[3], 'Programmed=False NoSidecars');
  assert.equal(conditions()?.[3]?.message, 'no sidecar needs it now');
});

test('reporter: a UDPRoute says that it is accepted and not enforced, and an Event does as well', async (t) => {
  const { server, report, events, signal } = await started(t);
  const path = '/apis/specs.smi-spec.io/v1alpha4/namespaces/shop/udproutes/dns';
  const object = {
    apiVersion: 'specs.smi-spec.io/v1alpha4',
    kind: 'UDPRoute',
    metadata: { name: 'dns', namespace: 'shop' },
  };
  server.put(path, { ...object, spec: { matches: { ports: [53] } } });
  const store = new SnapshotStore();
  store.replace('UDPRoute', server.list('/apis/specs.smi-spec.io/v1alpha4/udproutes'));
  const { diagnostics } = compile(store.snapshot());
  await report({ snapshot: store.snapshot(), diagnostics, progress: () => ({ live: 0, of: 0 }) }, signal);
  const { conditions } = server.get(path)?.['status'] as { conditions: Condition[] };
  const says = /^accepted, not enforced by this version/;
  assert.deepEqual(
    conditions.filter((c) => says.test(c.message)).map((c) => `${c.type}=${c.status} ${c.reason}`),
    ['Accepted=True Accepted', 'Programmed=False NotEnforced'],
  );
  assert.match(String(events()[0]?.['message']), says);
});

test('reporter: an object that was deleted and made anew is looked at again', async (t) => {
  const { server, say, shown } = await started(t);
  await say();
  server.delete(WEB.path);
  await say();
  server.put(WEB.path, WEB.object);
  await say();
  assert.equal(shown()?.[0], 'Accepted=True Accepted');
});

test('reporter: does not write into an object that took the place of the one it knows', async (t) => {
  const { server, snapshot, make, signal, conditions } = await started(t);
  const seen = snapshot();
  server.delete(WEB.path);
  server.put(WEB.path, WEB.object);
  await make('one').report({ snapshot: seen, diagnostics: [finding()] }, signal);
  assert.equal(conditions(), undefined);
});

test('reporter: a CRD without status subresource costs nothing but the status', async (t) => {
  const { server, say, events } = await started(t);
  server.intercept = (request, response) => {
    if (request.path.endsWith('/status')) fail(response, 404, 'NotFound');
    return request.path.endsWith('/status');
  };
  await say(finding());
  assert.equal(events().length, 1);
});

test('reporter: an object that the CRD does not admit any more is tried once per change, and holds up nothing', async (t) => {
  const { server, say, events, writes, log } = await started(t);
  server.intercept = (request, response) => {
    if (request.path.endsWith('/status')) fail(response, 422, 'Invalid', 'spec.backends[0].weight: must be an integer');
    return request.path.endsWith('/status');
  };
  await say(finding());
  const before = writes();
  await say(finding());
  assert.equal(writes(), before);
  assert.equal(events().length, 1);
  assert.equal(log.count('status is refused'), 1);
  server.intercept = () => false;
  await say();
  assert.equal(writes(), before + 1);
});

test('reporter: an Event names object, field, code, and what to do', async (t) => {
  const { server, say, events } = await started(t);
  await say(finding());
  const [event] = events();
  assert.deepEqual(event?.['involvedObject'], {
    apiVersion: 'split.smi-spec.io/v1alpha4',
    kind: 'TrafficSplit',
    namespace: 'shop',
    name: 'web',
    uid: server.get(WEB.path)?.metadata.uid,
    fieldPath: 'spec.backends[1].service',
  });
  assert.deepEqual(
    ['type', 'reason', 'message', 'count', 'firstTimestamp', 'reportingInstance'].map((key) => event?.[key]),
    [
      'Warning',
      'SMI1203',
      'spec.backends[1].service: does not exist; fix: create it',
      1,
      '2026-01-01T00:00:00Z',
      'one',
    ],
  );
  assert.equal(event?.metadata.namespace, 'shop');
});

test('reporter: a finding about a cluster-scoped object becomes an Event in namespace default', async (t) => {
  const { say, events } = await started(t);
  await say(finding({ object: { apiVersion: 'v1', kind: 'Namespace', namespace: '', name: 'shop' }, code: 'SMI1501' }));
  assert.equal(events()[0]?.metadata.namespace, 'default');
  assert.equal('namespace' in (events()[0]?.['involvedObject'] as object), false);
});

test('reporter: what goes on is said again before the Event runs out, as one Event with a count', async (t) => {
  const { clock, say, events } = await started(t);
  await say(finding());
  await clock.advance(44 * 60_000);
  await say(finding());
  assert.equal(events()[0]?.['count'], 1);
  await clock.advance(2 * 60_000);
  await say(finding());
  assert.deepEqual(events().map((e) => [e['count'], e['lastTimestamp']]), [[2, '2026-01-01T00:46:00Z']]); // prettier-ignore
});

test('reporter: asks to be called again when nothing else happens', async (t) => {
  const { clock, say, due, events } = await started(t);
  let asked = 0;
  due.subscribe(() => (asked += 1));
  await say(finding());
  await clock.advance(44 * 60_000);
  await say(finding());
  assert.equal(asked, 0);
  await clock.advance(2 * 60_000);
  assert.equal(asked, 1);
  await say(finding());
  assert.equal(events()[0]?.['count'], 2);
  await clock.advance(44 * 60_000);
  assert.equal(asked, 1);
  await clock.advance(60_000);
  assert.equal(asked, 2);
});

test('reporter: what comes back after it was gone is said again at once', async (t) => {
  const { say, events } = await started(t);
  await say(finding());
  await say();
  await say(finding());
  assert.deepEqual(events().map((e) => e['count']), [2]); // prettier-ignore
});

test('reporter: another replica that takes over adds to the same Event', async (t) => {
  const { make, snapshot, say, events, signal } = await started(t);
  await say(finding());
  await make('two').report({ snapshot: snapshot(), diagnostics: [finding()] }, signal);
  assert.deepEqual(events().map((e) => [e['count'], e['reportingInstance']]), [[2, 'one']]); // prettier-ignore
});

test('reporter: an object that flaps cannot flood the API server', async (t) => {
  const { clock, say, events } = await started(t);
  for (let i = 0; i < 60; i += 1) await say(finding({ message: `is wrong in way ${i}` }));
  assert.equal(events().length, 25);
  await clock.advance(11 * 60_000);
  for (let i = 60; i < 70; i += 1) await say(finding({ message: `is wrong in way ${i}` }));
  assert.equal(events().length, 27);
});

test('reporter: a replica that does not lead writes nothing', async (t) => {
  const { leading, say, writes, server } = await started(t);
  leading.set(false);
  await say(finding());
  assert.equal(writes(), 0);
  assert.equal(server.requests.length, 0);
});

test('reporter: writes what another leader changed when it leads again', async (t) => {
  const { server, leading, say, shown } = await started(t);
  await say();
  leading.set(false);
  await say();
  server.put(WEB.path, { ...WEB.object, status: { conditions: [] } }, true);
  leading.set(true);
  await say();
  assert.equal(shown()?.length, 3);
});

test('reporter: a failure is thrown after everything else was written, and the next report makes up for it', async (t) => {
  const { server, say, events, shown, signal, snapshot, make } = await started(t);
  const other = split('other', 1);
  server.put(other.path, other.object);
  server.intercept = (request, response) => {
    const refuse = request.method !== 'GET' && request.path.includes('/web');
    if (refuse) fail(response, 500, 'InternalError', 'etcd is away');
    return refuse;
  };
  const { report } = make('one');
  await assert.rejects(report({ snapshot: snapshot(), diagnostics: [finding()] }, signal), /etcd is away/);
  assert.ok(server.get(other.path)?.['status']);
  assert.equal(events().length, 1);
  server.intercept = () => false;
  await report({ snapshot: snapshot(), diagnostics: [finding()] }, signal);
  assert.equal(shown()?.[1], 'ResolvedRefs=False SMI1203');
  assert.deepEqual(events().map((e) => e['count']), [1]); // prettier-ignore
  void say;
});

test('reporter: a namespace that is going away takes no Events, and that is no failure', async (t) => {
  const { server, say } = await started(t);
  server.intercept = (request, response) => {
    const refuse = request.path.endsWith('/events');
    if (refuse)
      fail(response, 403, 'Forbidden', 'unable to create new content in namespace shop because it is being terminated');
    return refuse;
  };
  await say(finding());
});

test('reporter: findings of files and of nobody are not for the API server', async (t) => {
  const { say, events } = await started(t);
  await say(finding({ object: { apiVersion: '', kind: '', namespace: '', name: '' } }));
  assert.equal(events().length, 0);
});
