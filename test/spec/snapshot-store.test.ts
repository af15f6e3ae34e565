import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { emptySnapshot } from '../../src/spec/snapshot.ts';
import { SnapshotStore } from '../../src/spec/snapshot-store.ts';
import { split } from './objects.ts';

function service(name: string, resourceVersion: string, uid = name, selector: unknown = {}) {
  const metadata = { name, namespace: 'shop', uid, resourceVersion };
  return { apiVersion: 'v1', kind: 'Service', metadata, spec: { selector } };
}

test('snapshot store: starts empty, and stays the same value without changes', () => {
  const store = new SnapshotStore();
  assert.equal(store.snapshot(), emptySnapshot);
  store.delete('Pod', 'shop', 'nobody');
  assert.equal(store.snapshot(), emptySnapshot);
});

test('snapshot store: a change copies the map of its kind and shares all others', () => {
  const store = new SnapshotStore();
  store.upsert(service('a', '1'), { kind: 'Service' });
  const first = store.snapshot();
  store.upsert(service('b', '2'), { kind: 'Service' });
  const second = store.snapshot();
  assert.deepEqual([...first.services.keys()], ['shop/a']);
  assert.deepEqual([...second.services.keys()], ['shop/a', 'shop/b']);
  assert.equal(first.pods, second.pods);
  assert.equal(first.services.get('shop/a'), second.services.get('shop/a'));
});

test('snapshot store: an object of the same version keeps its identity, and no new snapshot is made', () => {
  const store = new SnapshotStore();
  store.upsert(service('a', '1'), { kind: 'Service' });
  const first = store.snapshot();
  store.upsert(service('a', '1'), { kind: 'Service' });
  assert.equal(store.snapshot(), first);
  store.upsert(service('a', '1', 'reborn'), { kind: 'Service' });
  assert.notEqual(store.snapshot().services.get('shop/a'), first.services.get('shop/a'));
});

test('snapshot store: a new version in which nothing changed that is read makes no new snapshot', () => {
  const store = new SnapshotStore();
  store.upsert(service('a', '1'), { kind: 'Service' });
  const first = store.snapshot();
  store.upsert({ ...service('a', '2'), status: { loadBalancer: {} } }, { kind: 'Service' });
  assert.equal(store.snapshot(), first);
  store.upsert(service('a', '3', 'a', { app: 'a' }), { kind: 'Service' });
  assert.notEqual(store.snapshot(), first);
});

test('snapshot store: replace removes what is not listed, of that kind only', () => {
  const store = new SnapshotStore();
  const owner = (kind: string, apiVersion: string, name: string) => ({
    apiVersion,
    kind,
    metadata: { name, namespace: 'n' },
  });
  store.replace('ReplicaSet', [owner('ReplicaSet', 'apps/v1', 'a'), owner('ReplicaSet', 'apps/v1', 'b')]);
  store.replace('Job', [owner('Job', 'batch/v1', 'a')]);
  store.replace('ReplicaSet', [owner('ReplicaSet', 'apps/v1', 'b')]);
  assert.deepEqual([...store.snapshot().workloadOwners.keys()].sort(), ['Job/n/a', 'ReplicaSet/n/b']);
});

test('snapshot store: namespaces are keyed by their name', () => {
  const store = new SnapshotStore();
  store.replace('Namespace', [{ metadata: { name: 'shop' } }], { apiVersion: 'v1', kind: 'Namespace' });
  assert.deepEqual([...store.snapshot().namespaces.keys()], ['shop']);
});

test('snapshot store: an object that becomes unreadable disappears and says why, until it is corrected', () => {
  const store = new SnapshotStore();
  store.upsert(split(1), { kind: 'TrafficSplit' });
  assert.equal(store.snapshot().trafficSplits.size, 1);
  store.upsert(split('1'), { kind: 'TrafficSplit' });
  const broken = store.snapshot();
  assert.equal(broken.trafficSplits.size, 0);
  assert.deepEqual(broken.remarks.map((d) => `${d.code} ${d.object.name} ${d.path}`), ['SMI0001 web spec.backends[0].weight']); // prettier-ignore
  const known = [...broken.unreadable.entries()].map(([key, { kind, metadata }]) => [key, kind, metadata.name]);
  assert.deepEqual(known, [['TrafficSplit/shop/web', 'TrafficSplit', 'web']], 'so that its status can say so');
  store.upsert(split(1), { kind: 'TrafficSplit' });
  const { trafficSplits, remarks, unreadable } = store.snapshot();
  assert.deepEqual([trafficSplits.size, remarks.length, unreadable.size], [1, 0, 0]);
});

test('snapshot store: a status that is written into an unreadable object changes nothing', () => {
  const store = new SnapshotStore();
  const version = (resourceVersion: string, generation: number) => {
    const object = split('1');
    return { ...object, metadata: { ...(object['metadata'] as object), uid: 'u', resourceVersion, generation } };
  };
  store.upsert(version('1', 1), { kind: 'TrafficSplit' });
  const before = store.snapshot();
  store.upsert({ ...version('2', 1), status: { conditions: [] } }, { kind: 'TrafficSplit' });
  assert.equal(store.snapshot(), before);
  store.upsert(version('3', 2), { kind: 'TrafficSplit' });
  assert.notEqual(store.snapshot(), before, 'conditions name the generation that they are about');
});

test('snapshot store: what is said about an object goes with it', () => {
  const store = new SnapshotStore();
  store.upsert(split('1'), { kind: 'TrafficSplit' });
  assert.equal(store.snapshot().remarks.length, 1);
  store.delete('TrafficSplit', 'shop', 'web');
  assert.equal(store.snapshot().remarks.length, 0);
  store.upsert(split('1'), { kind: 'TrafficSplit' });
  store.replace('TrafficSplit', []);
  assert.equal(store.snapshot().remarks.length, 0);
});

test('snapshot store: an unreadable object of the same version is not read again', () => {
  const store = new SnapshotStore();
  const raw = split('1');
  const versioned = { ...raw, metadata: { name: 'web', namespace: 'shop', uid: 'u', resourceVersion: '5' } };
  store.upsert(versioned, { kind: 'TrafficSplit' });
  const first = store.snapshot();
  store.upsert(versioned, { kind: 'TrafficSplit' });
  assert.equal(store.snapshot(), first);
});

test('snapshot store: an object of another kind than announced is not taken in', () => {
  const store = new SnapshotStore();
  store.upsert(split(1), { kind: 'Service' });
  assert.equal(store.snapshot().services.size, 0);
  assert.equal(store.snapshot().trafficSplits.size, 0);
});

test('snapshot store: equals a plain map after any sequence of changes, and old snapshots never change', () => {
  const change = fc.record({ name: fc.constantFrom('a', 'b', 'c', 'd'), act: fc.constantFrom('put', 'drop', 'look') });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
      const store = new SnapshotStore();
      const model = new Map<string, string>();
      const looked: [ReturnType<SnapshotStore['snapshot']>, string][] = [];
      const render = (s: ReturnType<SnapshotStore['snapshot']>) =>
        JSON.stringify([...s.services].map(([key, value]) => [key, value.spec.selector?.get('version')]).sort());
      changes.forEach(({ name, act }, i) => {
        if (act === 'put') {
          store.upsert(service(name, String(i), name, { version: String(i) }), { kind: 'Service' });
          model.set(`shop/${name}`, String(i));
        } else if (act === 'drop') {
          store.delete('Service', 'shop', name);
          model.delete(`shop/${name}`);
        } else looked.push([store.snapshot(), JSON.stringify([...model].sort())]);
      });
      looked.push([store.snapshot(), JSON.stringify([...model].sort())]);
      for (const [snapshot, expected] of looked) assert.equal(render(snapshot), expected);
    }),
  );
});
