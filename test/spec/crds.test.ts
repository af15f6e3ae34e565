import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { generatedCrds, smiPages } from '../../smi-crds/source/generate.ts';
import { HUB_VERSIONS } from '../../src/spec/convert.ts';
import { crdDirectory, crdFiles, type CrdSchema, loadCrds } from '../../src/spec/crds.ts';

const crds = loadCrds();

test('crds: every kind that SMI publishes is there with the names that clients use (smi.md 1.0)', () => {
  const names = crds.map(({ spec: { group, names: n, scope } }) =>
    [group, n.kind, n.listKind, n.plural, n.singular, n.shortNames?.join(), scope].join(' '),
  );
  assert.deepEqual(names.sort(), [
    'access.smi-spec.io IdentityBinding IdentityBindingList identitybindings identitybinding ib Namespaced',
    'access.smi-spec.io TrafficTarget TrafficTargetList traffictargets traffictarget tt Namespaced',
    'specs.smi-spec.io HTTPRouteGroup HTTPRouteGroupList httproutegroups httproutegroup htr Namespaced',
    'specs.smi-spec.io TCPRoute TCPRouteList tcproutes tcproute tr Namespaced',
    'specs.smi-spec.io UDPRoute UDPRouteList udproutes udproute ur Namespaced',
    'split.smi-spec.io TrafficSplit TrafficSplitList trafficsplits trafficsplit ts Namespaced',
  ]);
});

test('crds: the files are what npm run crds writes', () => {
  assert.deepEqual(
    new Map(crdFiles().map(({ path, text }) => [basename(path), text])),
    new Map([...generatedCrds()].sort(([a], [b]) => (a < b ? -1 : 1))),
  );
});

test('crds: the table of versions in docs/smi.md is what npm run crds writes', () => {
  const { current, wanted } = smiPages();
  assert.equal(current, wanted);
});

test('crds: every published version of every kind is served, and the newest is stored (smi.md 1.0)', () => {
  const versions = crds.map(({ spec }) => [
    spec.names.kind,
    spec.versions.map((v) => `${v.name}${v.served ? '' : ' not served'}${v.storage ? ' stored' : ''}`).join(),
  ]);
  const all = 'v1alpha1,v1alpha2,v1alpha3,v1alpha4 stored';
  assert.deepEqual(Object.fromEntries(versions), {
    TrafficTarget: all,
    IdentityBinding: 'v1alpha4 stored',
    HTTPRouteGroup: all,
    TCPRoute: all,
    UDPRoute: 'v1alpha4 stored',
    TrafficSplit: all,
  });
});

test('crds: each object is called plural.group, and exactly one version is stored', () => {
  for (const { metadata, spec } of crds) {
    assert.equal(metadata.name, `${spec.names.plural}.${spec.group}`);
    assert.equal(spec.versions.filter((v) => v.storage).length, 1, metadata.name);
  }
});

test('crds: the stored version is the hub version, and every served version can be read', () => {
  for (const { spec } of crds) {
    const hub = HUB_VERSIONS.get(spec.names.kind);
    assert.equal(hub?.group, spec.group);
    assert.equal(hub.hub, spec.versions.find((v) => v.storage)?.name);
    assert.deepEqual(
      [...hub.toHub.keys()].sort(),
      spec.versions
        .filter((v) => v.served)
        .map((v) => v.name)
        .sort(),
    );
  }
});

test('crds: a TrafficSplit is printed with its Service first', () => {
  const split = crds.find((crd) => crd.spec.names.kind === 'TrafficSplit');
  const columns = split?.spec.versions[0]?.['additionalPrinterColumns'] as { name: string; jsonPath: string }[];
  assert.deepEqual([columns[0]?.name, columns[0]?.jsonPath], ['Service', '.spec.service']);
  assert.equal(columns.at(-1)?.name, 'Age');
});

test('crds: every version has the status subresource and a schema for conditions', () => {
  for (const { spec } of crds) {
    for (const version of spec.versions) {
      assert.deepEqual(version['subresources'], { status: {} });
      const conditions = version.schema.openAPIV3Schema.properties?.['status']?.properties?.['conditions'];
      assert.deepEqual(conditions?.['x-kubernetes-list-map-keys'], ['type'], spec.names.kind);
    }
  }
});

test('crds: schemas are structural, and each field is described for kubectl explain', () => {
  let fields = 0;
  for (const { spec } of crds) {
    for (const version of spec.versions) visit(version.schema.openAPIV3Schema, spec.names.kind);
  }
  assert.ok(fields > 100, `only ${fields} fields seen`);

  function visit(schema: CrdSchema, path: string): void {
    fields += 1;
    const typeless = schema['x-kubernetes-preserve-unknown-fields'] ?? schema['x-kubernetes-int-or-string'];
    assert.ok(typeless === true || schema.type !== undefined, `${path} has no type`);
    assert.ok((schema.description ?? '').length > 2, `${path} has no description`);
    for (const key of schema.required ?? []) assert.ok(schema.properties?.[key], `${path} requires the unknown ${key}`);
    for (const [key, child] of Object.entries(schema.properties ?? {})) {
      if (key !== 'metadata') visit(child, `${path}.${key}`);
      else assert.deepEqual(child, { type: 'object' }, 'Kubernetes forbids to say anything about metadata');
    }
    if (schema.type === 'array') assert.ok(schema.items, `${path} has no items`);
    if (schema.items !== undefined) visit(schema.items, `${path}[]`);
  }
});

test('crds: nothing is defaulted into an object, since Flagger compares what it wrote', () => {
  assert.doesNotMatch(JSON.stringify(crds), /"default":/);
});

test('crds: an installation without its CRDs says so', () => {
  const empty = mkdtempSync(join(tmpdir(), 'weft-crds-'));
  try {
    assert.throws(() => crdDirectory(empty), /smi-crds.*missing/);
  } finally {
    rmSync(empty, { recursive: true });
  }
});
