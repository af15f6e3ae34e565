import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { convertReview } from '../../src/control/convert-review.ts';
import { HUB_VERSIONS } from '../../src/spec/convert.ts';

interface Reply {
  readonly apiVersion: string;
  readonly kind: string;
  readonly response: {
    readonly uid: string;
    readonly result: { readonly status: string; readonly message?: string };
    readonly convertedObjects: readonly { apiVersion: string; kind: string; metadata: unknown }[];
  };
}

function ask(desiredAPIVersion: unknown, objects: unknown): Reply {
  const request = { uid: 'u1', desiredAPIVersion, objects };
  return convertReview({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'ConversionReview',
    request,
  }) as unknown as Reply;
}

test('conversion webhook: for every kind and pair of versions, group and version are set and the metadata stays (smi.md check 19)', () => {
  const metadata = { name: 'web', namespace: 'shop', uid: 'u', labels: { a: 'b' }, finalizers: ['f'] };
  let pairs = 0;
  for (const [kind, { group, toHub }] of HUB_VERSIONS) {
    for (const from of toHub.keys()) {
      for (const to of toHub.keys()) {
        const object = { apiVersion: `${group}/${from}`, kind, metadata };
        const { apiVersion, kind: reviewKind, response } = ask(`${group}/${to}`, [object, object]);
        assert.deepEqual([apiVersion, reviewKind], ['apiextensions.k8s.io/v1', 'ConversionReview']);
        assert.deepEqual([response.uid, response.result], ['u1', { status: 'Success' }]);
        for (const converted of response.convertedObjects) {
          const { annotations: _, ...rest } = converted.metadata as Record<string, unknown>;
          assert.deepEqual([converted.apiVersion, converted.kind, rest], [`${group}/${to}`, kind, metadata]);
        }
        assert.equal(response.convertedObjects.length, 2);
        pairs += 1;
      }
    }
  }
  assert.equal(pairs, 4 * 16 + 2);
});

test('conversion webhook: what cannot be converted fails as a whole, with a sentence', () => {
  const split = { apiVersion: 'split.smi-spec.io/v1alpha1', kind: 'TrafficSplit', metadata: { name: 'x' } };
  for (const [version, objects, message] of [
    ['split.smi-spec.io/v2', [split], /TrafficSplit is not known in version "split.smi-spec.io\/v2"/],
    ['v1alpha4', [split], /not known in version "v1alpha4"/],
    ['split.smi-spec.io/v1alpha4', [split, { ...split, kind: 'Pod' }], /"Pod" is no kind of SMI/],
    ['split.smi-spec.io/v1alpha4', [7], /no object/],
    [undefined, [split], /desiredAPIVersion is missing/],
    ['split.smi-spec.io/v1alpha4', undefined, /objects is missing/],
  ] as const) {
    const { response } = ask(version, objects);
    assert.equal(response.result.status, 'Failure');
    assert.match(response.result.message ?? '', message);
    assert.deepEqual(response.convertedObjects, []);
  }
});

test('conversion webhook: answers whatever it is sent', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      assert.equal(typeof convertReview(value)['response'], 'object');
      assert.equal(typeof convertReview({ request: value })['response'], 'object');
    }),
  );
});
