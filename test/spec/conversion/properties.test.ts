import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createCompiler } from '../../../src/compile/compile.ts';
import type { JsonObject } from '../../../src/spec/conversion/json-object.ts';
import { convertSmi, HUB_VERSIONS } from '../../../src/spec/convert.ts';
import { grantingMesh, smiObject } from '../../compile/arbitrary.ts';
import { snapshotOf } from '../../compile/snapshot.ts';

function versionsOf(kind: string): string[] {
  const hub = HUB_VERSIONS.get(kind) ?? assert.fail(`${kind} is not known`);
  return [...hub.toHub.keys()].map((version) => `${hub.group}/${version}`);
}

/** As an API server has it: JSON, without empty annotations, which it drops, and without -0, which JSON has not. */
function plain(value: unknown): JsonObject {
  return JSON.parse(JSON.stringify(value), function (this: unknown, key: string, item: unknown) {
    return key === 'annotations' && JSON.stringify(item) === '{}' ? undefined : item;
  }) as JsonObject;
}

/** Objects of every version, admitted ones and such as no schema admits. */
const anyVersion = fc.oneof(
  { weight: 3, arbitrary: smiObject.map(plain) },
  {
    weight: 1,
    arbitrary: smiObject.chain((object) =>
      fc
        .dictionary(
          fc.constantFrom('spec', 'matches', 'sources', 'destination', 'specs', '__proto__', 'x'),
          fc.jsonValue({ maxDepth: 4 }),
        )
        .map((content) => plain({ ...plain({ ...object, spec: undefined }), ...content })),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(smiObject, smiObject).map(([a, b]) => {
      const { apiVersion: _, kind: _k, metadata: _m, ...content } = plain(b);
      return { ...content, apiVersion: a.apiVersion, kind: a.kind, metadata: plain(a)['metadata'] };
    }),
  },
);

test('convert: from any version to any other and back, an object is what it was', () => {
  fc.assert(
    fc.property(anyVersion, fc.nat(), fc.nat(), (object, one, two) => {
      const versions = versionsOf(String(object['kind']));
      const [b, c] = [versions[one % versions.length] ?? '', versions[two % versions.length] ?? ''];
      const before = JSON.stringify(object);
      const there = convertSmi(object, b);
      assert.equal(there['apiVersion'], b);
      assert.deepEqual(convertSmi(there, String(object['apiVersion'])), object);
      // and by a detour, as when clients of several versions read what others wrote
      const detour = convertSmi(convertSmi(there, c), String(object['apiVersion']));
      assert.deepEqual(detour, object);
      assert.equal(JSON.stringify(object), before, 'the input is not changed');
    }),
    { numRuns: 3_000 },
  );
});

test('convert: names, labels, status and everything else in the metadata stay', () => {
  fc.assert(
    fc.property(smiObject.map(plain), fc.nat(), (object, one) => {
      const versions = versionsOf(String(object['kind']));
      const status = { conditions: [] };
      const whole = { ...object, status, metadata: { ...(object['metadata'] as object), uid: 'u', finalizers: ['x'] } };
      const { metadata, status: after } = convertSmi(whole, versions[one % versions.length] ?? '');
      const { annotations: _, ...rest } = metadata as JsonObject;
      const { annotations: _a, ...expected } = whole.metadata as JsonObject;
      assert.deepEqual([rest, after], [expected, status]);
    }),
    { numRuns: 300 },
  );
});

test('convert: weights are whole numbers in every version but the one that has others', () => {
  fc.assert(
    fc.property(
      smiObject.map(plain).filter(({ kind }) => kind === 'TrafficSplit'),
      fc.constantFrom('v1alpha2', 'v1alpha3', 'v1alpha4'),
      (object, version) => {
        const { spec } = convertSmi(object, `split.smi-spec.io/${version}`) as { spec?: { backends?: JsonObject[] } };
        for (const { weight } of spec?.backends ?? [])
          assert.ok(Number.isSafeInteger(weight) || Number(weight) >= 2 ** 53);
      },
    ),
    { numRuns: 500 },
  );
});

test('convert: a mesh means the same in whatever versions its objects are written', () => {
  fc.assert(
    fc.property(grantingMesh, fc.infiniteStream(fc.nat()), (objects, numbers) => {
      const others = objects.map((raw) => {
        if (!HUB_VERSIONS.has(raw.kind)) return raw;
        const versions = versionsOf(raw.kind);
        return convertSmi(plain(raw), versions[(numbers.next().value ?? 0) % versions.length] ?? '');
      });
      const mesh = (raws: readonly unknown[]) =>
        createCompiler({ trustDomain: 'cluster.local', clusterDomain: 'cluster.local', defaultMode: 'deny' }).compile(
          snapshotOf(raws),
        ).mesh;
      assert.deepEqual(mesh(others), mesh(objects));
    }),
    { numRuns: 150 },
  );
});
