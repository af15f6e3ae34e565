import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { FakeClock } from '../../src/base/clock.ts';
import { watchedKinds } from '../../src/kubernetes/kinds.ts';
import { snapshotInformer } from '../../src/kubernetes/snapshot-informer.ts';
import { fail, reply } from './fake-api-server.ts';
import { eventually, service, setup, split } from './setup.ts';

const KINDS = watchedKinds().length;
const SERVICES = '/api/v1/services';

async function started(t: TestContext) {
  const parts = await setup(t);
  const informer = snapshotInformer({ ...parts.common, settleMs: 5, minBackoffMs: 5, maxBackoffMs: 50 });
  const changes: number[] = [];
  informer.snapshots.subscribe(() => changes.push(informer.snapshots.current()?.services.size ?? -1));
  const start = () => parts.run((signal) => informer.run(signal));
  const names = () => [...(informer.snapshots.current()?.services.keys() ?? [])].map((key) => key.split('/')[1]);
  const put = (name: string) => parts.server.put(service(name).path, service(name).object);
  return { ...parts, informer, changes, start, names, put };
}

test('informer: has no snapshot before every kind was listed, then all at once', async (t) => {
  const { server, informer, start, put, changes } = await started(t);
  put('web');
  let release: (() => void) | undefined;
  server.intercept = async (request) => {
    if (request.path === '/api/v1/pods') await new Promise<void>((resolve) => (release = resolve));
    return false;
  };
  start();
  await eventually(() => server.watchers === KINDS - 1 && release !== undefined);
  assert.equal(informer.snapshots.current(), undefined);
  release?.();
  await eventually(() => informer.snapshots.current() !== undefined);
  assert.deepEqual(changes, [1]);
});

test('informer: follows creations, changes and deletions', async (t) => {
  const { server, informer, start, names, put } = await started(t);
  start();
  await eventually(() => server.watchers === KINDS);
  put('web');
  await eventually(() => names().length === 1);
  const { path, object } = split('web', 90, 10);
  server.put(path, object);
  await eventually(() => informer.snapshots.current()?.trafficSplits.size === 1);
  server.put(path, split('web', 50, 50).object);
  await eventually(
    () => informer.snapshots.current()?.trafficSplits.get('shop/web')?.spec?.backends?.[0]?.weight === 50,
  );
  server.delete(service('web').path);
  await eventually(() => names().length === 0);
});

test('informer: a burst of changes makes few snapshots', async (t) => {
  const { server, start, names, put, changes } = await started(t);
  start();
  await eventually(() => server.watchers === KINDS);
  const before = changes.length;
  for (let i = 0; i < 500; i += 1) put(`web-${i}`);
  await eventually(() => names().length === 500);
  assert.ok(changes.length - before < 50, `${changes.length - before} snapshots`);
});

test('informer: the first changes after a quiet time are not kept waiting, those that go on and on are', async (t) => {
  const { server, common, run } = await setup(t);
  const clock = new FakeClock();
  const informer = snapshotInformer({ ...common, clock, settleMs: 10, paceMs: 100 });
  run((signal) => informer.run(signal));
  const count = () => informer.snapshots.current()?.services.size ?? -1;
  const put = async (name: string) => {
    server.put(service(name).path, service(name).object);
    await eventually(() => clock.sleeping > 0);
  };
  await eventually(() => server.watchers === KINDS && count() === 0);
  await clock.advance(1_000);
  for (const [i, name] of ['a', 'b', 'c'].entries()) {
    await put(name);
    await clock.advance(10);
    assert.equal(count(), i + 1);
  }
  await put('d');
  await clock.advance(60);
  assert.equal(count(), 3);
  await clock.advance(30);
  assert.equal(count(), 4);
});

test('informer: lists longer than a page arrive whole', async (t) => {
  const { server, start, names, put } = await started(t);
  for (let i = 0; i < 1_234; i += 1) put(`web-${i}`);
  start();
  await eventually(() => names().length === 1_234);
  assert.equal(server.requests.filter((r) => r.path === SERVICES && r.query.has('limit')).length, 3);
});

test('informer: goes on where it was after a cut connection, without a new list', async (t) => {
  const { server, start, names, put } = await started(t);
  start();
  await eventually(() => server.watchers === KINDS);
  server.cut();
  put('born-in-between');
  await eventually(() => names().length === 1);
  assert.equal(server.requests.filter((r) => r.path === SERVICES && r.query.has('limit')).length, 1);
});

test('informer: goes on after a watch that the server ended', async (t) => {
  const { server, start, names, put } = await started(t);
  start();
  await eventually(() => server.watchers === KINDS);
  server.endWatches();
  put('web');
  await eventually(() => names().length === 1);
});

test('informer: lists anew after 410 Gone, and loses nothing that was deleted in between', async (t) => {
  const { server, informer, start, names, put } = await started(t);
  put('kept');
  put('deleted');
  start();
  await eventually(() => server.watchers === KINDS);
  const kept = informer.snapshots.current()?.services.get('shop/kept');
  let away = true;
  server.intercept = (request, response) => {
    if (away && request.path === SERVICES) fail(response, 503, 'ServiceUnavailable');
    return away && request.path === SERVICES;
  };
  server.cut();
  server.delete(service('deleted').path);
  put('new');
  server.forgetHistory();
  away = false;
  await eventually(() => names().includes('new'));
  assert.deepEqual(names().sort(), ['kept', 'new']);
  assert.equal(informer.snapshots.current()?.services.get('shop/kept'), kept, 'an unchanged object keeps its identity');
});

test('informer: lists anew when the watch itself is refused with 410', async (t) => {
  const { server, start, names, put } = await started(t);
  let refusals = 2;
  server.intercept = (request, response) => {
    const refuse = request.query.get('watch') === 'true' && request.path === SERVICES && refusals-- > 0;
    if (refuse) fail(response, 410, 'Expired');
    return refuse;
  };
  start();
  await eventually(() => server.watchers === KINDS);
  put('web');
  await eventually(() => names().length === 1);
  assert.equal(server.requests.filter((r) => r.path === SERVICES && r.query.has('limit')).length, 3);
});

test('informer: a bookmark moves the version on from which a watch resumes', async (t) => {
  const { server, start, names, put } = await started(t);
  start();
  await eventually(() => server.watchers === KINDS);
  server.bookmark(SERVICES);
  server.forgetHistory();
  put('web'); // the first event after the bookmark: with the version of the list it would be out of reach
  await eventually(() => names().length === 1);
  server.cut();
  put('api');
  await eventually(() => names().length === 2);
  assert.equal(server.requests.filter((r) => r.path === SERVICES && r.query.has('limit')).length, 1);
});

test('informer: survives a restart of the API server, keeping the last snapshot meanwhile', async (t) => {
  const { server, log, informer, start, names, put } = await started(t);
  put('web');
  start();
  await eventually(() => server.watchers === KINDS);
  await server.stop();
  assert.deepEqual(names(), ['web']);
  assert.notEqual(informer.snapshots.current(), undefined);
  const broke = (level: string) => log.lines.filter((l) => l.level === level && l.fields['kind'] === 'Service').length;
  await eventually(() => broke('debug') >= 3); // some refused connections
  assert.equal(broke('warn'), 1, 'one line per outage');
  await server.start();
  put('api');
  await eventually(() => names().length === 2);
});

test('informer: an API server that comes back with other objects is listed anew', async (t) => {
  const { server, start, names, put } = await started(t);
  put('old');
  start();
  await eventually(() => server.watchers === KINDS);
  await server.stop();
  server.wipe();
  await new Promise((resolve) => setTimeout(resolve, 30));
  await server.start();
  put('new');
  await eventually(() => names().includes('new') && !names().includes('old'));
});

test('informer: survives errors, broken lines and replies that are no JSON', async (t) => {
  const { server, start, names, put } = await started(t);
  const faults = ['500', 'html', 'half', 'garbage', '429', 'reset'];
  server.intercept = (request, response) => {
    const fault = request.path === SERVICES ? faults.shift() : undefined;
    if (fault === '500') fail(response, 500, 'InternalError');
    if (fault === 'html') response.end('<html>a proxy in between</html>');
    if (fault === 'half') response.writeHead(200, { 'content-length': '1000' }).write('{"items":[');
    if (fault === 'half') setTimeout(() => response.destroy(), 5);
    if (fault === 'garbage') response.end('{"type":"ADDED","object":\n');
    if (fault === '429') response.writeHead(429, { 'retry-after': '0' }).end('{}');
    if (fault === 'reset') response.destroy();
    return fault !== undefined;
  };
  put('web');
  start();
  await eventually(() => names().length === 1);
  await eventually(() => server.watchers === KINDS);
  put('api');
  await eventually(() => names().length === 2);
  assert.deepEqual(faults, []);
});

test('informer: waits for a kind that is not installed, saying so once', async (t) => {
  const { server, log, informer, start } = await started(t);
  const splits = '/apis/split.smi-spec.io/v1alpha4/trafficsplits';
  server.collections.delete(splits);
  start();
  await eventually(() => server.requests.filter((r) => r.path === splits).length >= 4);
  assert.equal(informer.snapshots.current(), undefined);
  assert.equal(log.count('kind is not installed in this cluster, waiting for it', 'TrafficSplit'), 1);
  server.put(split('web', 1).path, split('web', 1).object);
  await eventually(() => informer.snapshots.current()?.trafficSplits.size === 1);
});

test('informer: an unreadable object is a finding, and nothing else is lost', async (t) => {
  const { server, informer, start } = await started(t);
  server.put(split('good', 1).path, split('good', 1).object);
  server.put(split('bad', '1').path, split('bad', '1').object);
  start();
  await eventually(() => informer.snapshots.current() !== undefined);
  const { trafficSplits, remarks } = informer.snapshots.current() ?? assert.fail();
  assert.deepEqual([...trafficSplits.keys()], ['shop/good']);
  assert.deepEqual(remarks.map((d) => `${d.code} ${d.object.name}`), ['SMI0001 bad']); // prettier-ignore
});

test('informer: an object whose status alone changed makes no new snapshot', async (t) => {
  const { server, informer, start, changes, put } = await started(t);
  const { path, object } = split('web', 1);
  server.put(path, object);
  start();
  await eventually(() => server.watchers === KINDS);
  const first = informer.snapshots.current();
  const count = changes.length;
  server.put(path, { ...object, status: { conditions: [] } }, true);
  put('web');
  await eventually(() => changes.length > count);
  assert.equal(informer.snapshots.current()?.trafficSplits, first?.trafficSplits);
});

test('informer: knows the conditions that an object had when it was last heard of', async (t) => {
  const { server, informer, start } = await started(t);
  const { path, object } = split('web', 1);
  server.put(path, object);
  start();
  await eventually(() => server.watchers === KINDS);
  const known = informer.snapshots.current()!.trafficSplits.get('shop/web')!;
  assert.deepEqual(informer.conditions(known), []);
  const accepted = { type: 'Accepted', status: 'True', reason: 'Accepted', message: '', lastTransitionTime: 'x' };
  server.put(path, { ...object, status: { conditions: [{ ...accepted, observedGeneration: 1 }] } }, true);
  await eventually(() => informer.conditions(known)?.length === 1);
  assert.deepEqual(informer.conditions(known), [{ ...accepted, observedGeneration: 1 }]);
  const another = { ...known, metadata: { ...known.metadata, uid: 'of another of that name' } };
  assert.equal(informer.conditions(another), undefined);
  server.delete(path);
  await eventually(() => informer.conditions(known) === undefined);
});

test('informer: text that JSON may contain and line splitters stumble over arrives whole', async (t) => {
  const { server, informer, start } = await started(t);
  start();
  await eventually(() => server.watchers === KINDS);
  const { path, object } = service('web');
  const note = 'line\u2028separator \u2029 and \r\n, 世界';
  server.put(path, { ...object, metadata: { ...object.metadata, annotations: { note } } });
  await eventually(() => informer.snapshots.current()?.services.size === 1);
  assert.equal(informer.snapshots.current()?.services.get('shop/web')?.metadata.annotations.get('note'), note);
});

test('informer: presents the token of the kubeconfig', async (t) => {
  const { server, start } = await started(t);
  start();
  await eventually(() => server.watchers === KINDS);
  assert.ok(server.requests.every((r) => r.headers.authorization === 'Bearer secret-token'));
});

test('informer: ends with its signal, leaving no connection', async (t) => {
  const { server, client, informer } = await started(t);
  const ending = new AbortController();
  const run = informer.run(ending.signal);
  await eventually(() => server.watchers === KINDS);
  ending.abort();
  await run;
  client.close();
  await eventually(() => server.connections === 0);
});

test('informer: a server that ends every watch at once is not asked in a hot loop', async (t) => {
  const { server, start } = await started(t);
  server.intercept = (request, response) => {
    const ends = request.query.get('watch') === 'true' && request.path === SERVICES;
    if (ends) reply(response, 200, '');
    return ends;
  };
  start();
  await eventually(() => server.watchers === KINDS - 1);
  const asked = () => server.requests.filter((r) => r.path === SERVICES).length;
  const before = asked();
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.ok(asked() - before < 20, `${asked() - before} requests`);
});
