import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonicalJson } from '../../src/base/content-hash.ts';
import { compile, createCompiler, type CompileResult } from '../../src/compile/compile.ts';
import { httpMatcher } from '../../src/mesh/http-matcher.ts';
import { loadCrds } from '../../src/spec/crds.ts';
import { SnapshotStore } from '../../src/spec/snapshot-store.ts';
import { smiValidator } from '../../src/spec/validate.ts';
import { allowedSet } from './allowed.ts';
import { anyObject, grantingMesh, identityOf, meshObjects, populated, smiObject, type Raw } from './arbitrary.ts';
import { kindOf, snapshotOf } from './snapshot.ts';

const validator = smiValidator(loadCrds());

/** A result as text, independent of the order inside its maps. */
function textOf({ mesh, configs, diagnostics }: CompileResult): string {
  const plain = (map: ReadonlyMap<string, unknown>) => Object.fromEntries(map);
  return canonicalJson({
    services: plain(mesh.services),
    endpoints: plain(mesh.endpoints),
    workloads: plain(mesh.workloads),
    configs: Object.fromEntries([...configs].map(([key, config]) => [key, plain(config)])),
    diagnostics,
  });
}

/** Equality of long texts with a short complaint: where they part. */
function assertSame(actual: string, expected: string): void {
  if (actual === expected) return;
  let at = 0;
  while (actual[at] === expected[at]) at++;
  const from = Math.max(0, at - 200);
  assert.fail(`differs:\n${actual.slice(from, at + 100)}\n${expected.slice(from, at + 100)}`);
}

test('compile: the objects that these properties are tried on are such as the CRDs admit', () => {
  fc.assert(fc.property(smiObject, (raw) => assert.deepEqual(validator.schemaErrors(raw), [])));
});

test('compile: never throws, and every pattern it passes on can be used', () => {
  fc.assert(
    fc.property(meshObjects, (raws) => {
      const result = compile(snapshotOf(raws));
      allowedSet(result); // builds every matcher
      for (const service of result.mesh.services.values()) {
        for (const route of service.ports.flatMap((port) => port.routes)) httpMatcher(route.matches);
      }
    }),
    { numRuns: 300 },
  );
});

test('compile: routes end in one that takes everything, and weights are whole numbers', () => {
  fc.assert(
    fc.property(meshObjects, (raws) => {
      for (const service of compile(snapshotOf(raws)).mesh.services.values()) {
        for (const { routes } of service.ports) {
          assert.deepEqual(
            routes.map((route) => [route.matches === undefined, route.tcp]),
            routes.map((_, i) => (i === routes.length - 1 ? [true, true] : [false, false])),
          );
          for (const { weight } of routes.flatMap((route) => route.backends)) {
            assert.ok(Number.isSafeInteger(weight) && weight >= 0, String(weight));
          }
        }
      }
    }),
    { numRuns: 200 },
  );
});

test('compile: the same objects give the same result, in whatever order they come', () => {
  const shuffled = grantingMesh.chain((raws) =>
    fc.tuple(fc.constant(raws), fc.shuffledSubarray(raws, { minLength: raws.length })),
  );
  fc.assert(
    fc.property(shuffled, ([raws, others]) => {
      const text = textOf(compile(snapshotOf(raws)));
      assertSame(textOf(compile(snapshotOf(raws))), text);
      assertSame(textOf(compile(snapshotOf(others))), text);
    }),
    { numRuns: 150 },
  );
});

test('compile: the incremental result equals the full one after every change', () => {
  const change = fc.record({ raw: anyObject, remove: fc.boolean() });
  fc.assert(
    fc.property(grantingMesh, fc.array(change, { maxLength: 12 }), (raws, changes) => {
      const store = new SnapshotStore();
      const compiler = createCompiler();
      compiler.compile(snapshotOf(raws, store));
      for (const { raw, remove } of changes) {
        const { namespace, name } = raw.metadata;
        if (remove) store.delete(kindOf(raw), typeof namespace === 'string' ? namespace : '', name);
        else store.upsert(raw, { kind: kindOf(raw) });
        const snapshot = store.snapshot();
        assertSame(textOf(compiler.compile(snapshot)), textOf(compile(snapshot)));
      }
    }),
    { numRuns: 100 },
  );
});

/** Ways to make an object one that the CRDs refuse. */
const spoil = fc.constantFrom<(raw: Raw) => Raw>(
  (raw) => withSpec(raw, { ...specOf(raw), schemes: {} }),
  (raw) => withSpec(raw, { ...specOf(raw), schemes: { podLabelSelector: {} } }),
  (raw) => withSpec(raw, { ...specOf(raw), schemes: { podLabelSelector: { matchLabels: {} } } }),
  (raw) => withSpec(raw, { ...specOf(raw), schemes: { podLabelSelector: { matchLabels: { app: 7 } } } }),
  (raw) => withSpec(raw, { ...specOf(raw), schemes: { spiffeIdentities: [] } }),
  (raw) => withSpec(raw, { ...specOf(raw), schemes: { serviceAccount: ['a'] } }),
  (raw) => withSpec(raw, 'a text'),
  (raw) => withSpec(raw, { ...specOf(raw), destination: { kind: 'ServiceAccount' } }),
  (raw) => withSpec(raw, { ...specOf(raw), sources: { kind: 'ServiceAccount', name: 'a' } }),
  (raw) => withSpec(raw, { ...specOf(raw), rules: [...listOf(specOf(raw).rules), { kind: 'Ingress', name: 'a' }] }),
  (raw) => withSpec(raw, { ...specOf(raw), rules: undefined }),
  (raw) =>
    withSpec(raw, { ...specOf(raw), matches: [...listOf(specOf(raw).matches), { name: 'm3', methods: ['FOO'] }] }),
  (raw) => withSpec(raw, { ...specOf(raw), matches: [...listOf(specOf(raw).matches), { name: 7 }] }),
  (raw) => withSpec(raw, { ...specOf(raw), matches: { ports: [8080, 80.5] } }),
  (raw) => withSpec(raw, { ...specOf(raw), matches: { ports: [8080, '80'] } }),
);

function withSpec(raw: Raw, spec: unknown): Raw {
  return { ...raw, spec };
}

function specOf(raw: Raw): Record<string, unknown> {
  return typeof raw.spec === 'object' && raw.spec !== null ? (raw.spec as Record<string, unknown>) : {};
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

test('compile: adding an object that validation refuses never grants access', () => {
  const refused = fc.tuple(smiObject, spoil).map(([raw, by]) => by(raw));
  const invalid = refused.filter((raw) => validator.schemaErrors(raw).length > 0);
  let granting = 0;
  fc.assert(
    fc.property(grantingMesh, fc.array(invalid, { minLength: 1, maxLength: 4 }), (raws, added) => {
      const names = new Set(added.map(identityOf));
      const before = raws.filter((raw) => !names.has(identityOf(raw)));
      const allowed = allowedSet(compile(snapshotOf(before)));
      if (allowed.size > 0) granting++;
      for (const access of allowedSet(compile(snapshotOf([...before, ...added])))) {
        assert.ok(allowed.has(access), `${access} was not granted before`);
      }
    }),
    { numRuns: 300 },
  );
  assert.ok(granting > 100, `only ${granting} meshes granted anything: the property was hardly tried`);
});

test('compile: adding a target that was understood with errors throughout never grants access', () => {
  const broken = smiObject
    .filter((raw) => raw.kind === 'TrafficTarget' && raw.apiVersion !== 'access.smi-spec.io/v1alpha1')
    .map((raw) => {
      const spec = specOf(raw);
      return withSpec(raw, {
        ...spec,
        sources: [
          { kind: 'Group', name: 'a' },
          { kind: 'ServiceAccount', name: '*' },
        ],
      });
    });
  fc.assert(
    fc.property(grantingMesh, broken, (raws, added) => {
      const before = raws.filter((raw) => identityOf(raw) !== identityOf(added));
      const allowed = allowedSet(compile(snapshotOf(before)));
      assert.deepEqual(allowedSet(compile(snapshotOf([...before, added]))), allowed);
    }),
    { numRuns: 100 },
  );
});

test('compile: a binding with labels and an account together never grants access', () => {
  const both = smiObject
    .filter((raw) => raw.kind === 'IdentityBinding')
    .map((raw) => withSpec(raw, { schemes: { podLabelSelector: { matchLabels: { app: 'b' } }, serviceAccount: 'a' } }));
  fc.assert(
    fc.property(grantingMesh, both, (raws, added) => {
      const before = raws.filter((raw) => identityOf(raw) !== identityOf(added));
      const allowed = allowedSet(compile(snapshotOf(before)));
      assert.deepEqual(allowedSet(compile(snapshotOf([...before, added]))), allowed);
    }),
    { numRuns: 50 },
  );
});

test('compile: what only labels grant is granted to certificates that name one of their pods, and to no other', () => {
  const labels = { podLabelSelector: { matchLabels: { app: 'b' } } };
  const binding = fc.constantFrom('shop', 'other').map((namespace): Raw => ({
    apiVersion: 'access.smi-spec.io/v1alpha4',
    kind: 'IdentityBinding',
    metadata: { name: 'only', namespace },
    spec: { schemes: labels },
  }));
  const target = smiObject
    .filter((raw) => raw.kind === 'TrafficTarget' && raw.apiVersion !== 'access.smi-spec.io/v1alpha1')
    .map((raw) => withSpec(raw, { ...specOf(raw), sources: [{ kind: 'IdentityBinding', name: 'only' }] }));
  fc.assert(
    fc.property(meshObjects, binding, target, (raws, only, added) => {
      const others = raws.filter((raw) => raw.kind !== 'TrafficTarget');
      const objects: Raw[] = [...populated, ...others, only, added];
      const unique: Raw[] = [...new Map(objects.map((raw) => [identityOf(raw), raw])).values()];
      const selected = unique.filter(({ kind, metadata }) => {
        const own = metadata['labels'] as Record<string, string> | undefined;
        return kind === 'Pod' && metadata['namespace'] === added.metadata['namespace'] && own?.['app'] === 'b';
      });
      const uids = new Set(selected.map(({ metadata }) => metadata['uid']));
      for (const access of allowedSet(compile(snapshotOf(unique)))) {
        assert.ok(uids.has(access.split(' ')[1]), access);
      }
    }),
    { numRuns: 100 },
  );
});

test('compile: a port of an older version narrows what the target grants without it, and to that port', () => {
  const older = smiObject.filter(
    ({ apiVersion, kind }) => kind === 'TrafficTarget' && apiVersion === 'access.smi-spec.io/v1alpha2',
  );
  const port = fc.constantFrom(80, 8080, 9090, 0, 80.5, 70_000);
  let granting = 0;
  fc.assert(
    fc.property(meshObjects, older, port, (raws, raw, number) => {
      const spec = specOf(raw);
      const sources = [{ kind: 'ServiceAccount', name: 'a' }];
      const rules = [{ kind: 'TCPRoute', name: 'a' }, ...listOf(spec['rules'])];
      const target = (extra: object) =>
        withSpec(raw, { sources, rules, destination: { kind: 'ServiceAccount', name: 'b', ...extra } });
      const others = [...raws.filter(({ kind }) => kind !== 'TrafficTarget'), ...populated];
      const allowed = (extra: object) => allowedSet(compile(snapshotOf([...others, target(extra)])));
      const without = allowed({});
      const withPort = allowed({ port: number });
      if (withPort.size > 0) granting++;
      for (const access of withPort) assert.ok(without.has(access), access);
      // Services that select the pod lead 80 to 8080 or elsewhere (A9); what they do not expose is the number itself
      if (number === 0 || number === 80.5 || number === 70_000) assert.equal(withPort.size, 0);
    }),
    { numRuns: 100 },
  );
  assert.ok(granting > 10, `only ${granting} targets granted anything`);
});
