import { createCompiler } from '../../src/compile/compile.ts';
import { snapshotOfYaml } from './snapshot.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LayeredMap } from '../../src/compile/layered-map.ts';
import { readPortList } from '../../src/compile/port-protocol.ts';
import { sameData } from '../../src/compile/same-data.ts';
import { readServiceName } from '../../src/compile/service-name.ts';
import { Stage } from '../../src/compile/stage.ts';
import { wholeWeights } from '../../src/compile/weights.ts';

test('layered map: reads like one map in which earlier layers were written last', () => {
  const layer = fc
    .dictionary(fc.constantFrom('a', 'b', 'c', 'd'), fc.nat())
    .map((entries) => new Map(Object.entries(entries)));
  fc.assert(
    fc.property(fc.array(layer, { maxLength: 4 }), (layers) => {
      const map = new LayeredMap(layers);
      const plain = new Map([...layers].reverse().flatMap((l) => [...l]));
      assert.deepEqual(new Map(map), plain);
      assert.equal(map.size, plain.size);
      assert.deepEqual(new Set(map.keys()), new Set(plain.keys()));
      assert.deepEqual([...map.values()].sort(), [...plain.values()].sort());
      for (const key of ['a', 'b', 'c', 'd', 'e']) {
        assert.equal(map.get(key), plain.get(key));
        assert.equal(map.has(key), plain.has(key));
      }
      const seen: [string, number][] = [];
      map.forEach((value, key) => seen.push([key, value]));
      assert.deepEqual(new Map(seen), plain);
    }),
  );
});

test('weights: whole numbers stay as they are', () => {
  assert.deepEqual(wholeWeights([1000, 500, 0]), { whole: [1000, 500, 0], negative: [], scaled: false });
});

test('weights: negative ones are 0 and named', () => {
  assert.deepEqual(wholeWeights([-1, 3, Number.NaN]), { whole: [0, 3, 0], negative: [0, 2], scaled: false });
});

test('weights: proportions survive scaling, and nobody with a weight falls to zero', () => {
  assert.deepEqual(wholeWeights([1, 0.5]).whole, [10, 5]);
  assert.deepEqual(wholeWeights([1e300, 1]).whole, [1_000_000_000, 1]);
  assert.deepEqual(wholeWeights([0.1, 0.2]).whole, [1, 2]);
  fc.assert(
    fc.property(fc.array(fc.double({ min: -1, max: 1000, noNaN: true }), { minLength: 1 }), (written) => {
      const { whole } = wholeWeights(written);
      const total = written.reduce((sum, w) => sum + Math.max(0, w), 0);
      const wholeTotal = whole.reduce((sum, w) => sum + w, 0);
      whole.forEach((weight, i) => {
        const share = Math.max(0, written[i] ?? 0) / (total || 1);
        assert.ok(Number.isSafeInteger(weight));
        assert.equal(weight > 0, (written[i] ?? 0) > 0);
        if (total > 0.1) assert.ok(Math.abs(weight / (wholeTotal || 1) - share) < 1e-3, `${written} -> ${whole}`);
      });
    }),
  );
});

const isNamespace = (name: string) => name === 'shop' || name === 'other';

test('service name: every form of S1, with a trailing dot, in any case', () => {
  const forms = ['web', 'web.shop', 'web.shop.svc', 'web.shop.svc.cluster.local'];
  for (const form of [...forms, ...forms.map((f) => `${f}.`), 'Web.SHOP']) {
    assert.deepEqual(
      readServiceName(form, 'shop', 'cluster.local', isNamespace),
      { kind: 'service', namespace: 'shop', name: 'web' },
      form,
    );
  }
});

test('service name: two labels are a Service elsewhere only if there is such a namespace', () => {
  const read = (written: string) => readServiceName(written, 'shop', 'cluster.local', isNamespace);
  assert.deepEqual(read('web.other'), { kind: 'service', namespace: 'other', name: 'web' });
  assert.deepEqual(read('example.com'), { kind: 'host' });
  assert.deepEqual(read('web.nowhere.svc'), { kind: 'service', namespace: 'nowhere', name: 'web' });
});

test('service name: everything else is a host', () => {
  for (const text of ['', '.', '..', 'a.b.c', 'web.', '.shop', '.svc', 'web..svc', 'web.svc.cluster.local']) {
    const name = readServiceName(text, 'shop', 'cluster.local', isNamespace);
    assert.equal(name.kind, text === 'web.' ? 'service' : 'host', text);
  }
});

test('port list: ports, ranges, blanks, and what is neither', () => {
  assert.deepEqual(readPortList(' 80, 90-92,80 ,, '), { ports: [80, 90, 91, 92], bad: [] });
  assert.deepEqual(readPortList('0, 65536, 9-8, x, 1-2-3, -1'), {
    ports: [],
    bad: ['0', '65536', '9-8', 'x', '1-2-3', '-1'],
  });
});

test('same data: equal as data, whatever the order of fields', () => {
  assert.ok(sameData({ a: [1, { b: 2 }], c: undefined }, { a: [1, { b: 2 }] }));
  assert.ok(sameData(new Map([['a', [1]]]), new Map([['a', [1]]])));
  for (const [a, b] of [
    [{ a: 1 }, { a: 1, b: 2 }],
    [{ a: 1, b: 2 }, { a: 1 }],
    [[1], [1, 2]],
    [[], {}],
    [new Map(), {}],
    [new Map([['a', 1]]), new Map([['b', 1]])],
    [{}, null],
    [new (class {})(), new (class {})()],
    [1, '1'],
  ]) {
    assert.equal(sameData(a, b), false, JSON.stringify([a, b]));
  }
});

test('stage: computes anew only where an input is another one', () => {
  const stage = new Stage<string>();
  const computed: string[] = [];
  const run = (inputs: Record<string, unknown>) =>
    stage.update([inputs], (emit) => {
      for (const [key, input] of Object.entries(inputs)) {
        emit(key, [input], () => {
          computed.push(key);
          return `value of ${String(input)}`;
        });
      }
    });
  const first = run({ a: 1, b: 1 });
  assert.equal(run({ a: 1, b: 1 }), first);
  run({ a: 1, b: 2 });
  assert.deepEqual(computed, ['a', 'b', 'b']);
});

test('stage: forgets what is gone, and says so by a new map', () => {
  const stage = new Stage<number>();
  const run = (keys: readonly string[]) =>
    stage.update([keys], (emit) => keys.forEach((key) => emit(key, [], () => 1)));
  const both = run(['a', 'b']);
  const one = run(['a']);
  assert.notEqual(one, both);
  assert.deepEqual([...one.keys()], ['a']);
  assert.deepEqual([...run(['a', 'c']).keys()], ['a', 'c']);
});

test('pods: each with a sidecar and an address is known by it, and told when it changes', () => {
  const pod = (name: string, ip: string, more = '') => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: shop, uid: ${name}, annotations: {weft.dev/injected: "true"}}
spec: {serviceAccountName: job, ${more} containers: []}
status: {phase: Running, podIPs: [${ip}]}
---`;
  const compiler = createCompiler();
  const podsOf = (yaml: string) => {
    const { configs } = compiler.compile(snapshotOfYaml(yaml));
    const found = [...configs.get('shop/a')!.values()].filter((resource) => resource.type === 'pod');
    return found.map(({ key, addresses, identity }) => [key, addresses.join(), identity]);
  };
  const job = 'spiffe://weft.local/ns/shop/sa/job';
  const rest = pod('new', '') + pod('host', '{ip: 10.0.0.3}', 'hostNetwork: true,');
  assert.deepEqual(podsOf(pod('a', '{ip: 10.0.0.1}') + rest), [['pod/shop/a', '10.0.0.1', job]]);
  assert.deepEqual(podsOf(pod('a', '{ip: 10.0.0.2}') + rest), [['pod/shop/a', '10.0.0.2', job]]);
});
