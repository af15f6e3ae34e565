import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCapabilities, readCapabilities, WEFT_CAPABILITIES } from '../../conformance/capabilities.ts';
import { CASES } from '../../conformance/cases/all.ts';
import { skipReason } from '../../conformance/run-conformance.ts';

test("capabilities: Weft's own file is valid and claims every case on a cluster", () => {
  const weft = readCapabilities(WEFT_CAPABILITIES);
  assert.equal(weft.mesh, 'weft');
  assert.equal(weft.namespaces.deny.annotations?.['weft.dev/policy'], 'deny');
  assert.deepEqual(
    CASES.filter((subject) => skipReason(subject, weft) !== undefined),
    [],
  );
});

test('capabilities: what a file leaves out has its default', () => {
  const { has, versions, stableSeconds, notClaimed } = parseCapabilities(
    'mesh: other\nhas: { events: false }',
    'other.yaml',
  );
  assert.deepEqual(has, { capture: true, clusterIP: true, events: false });
  assert.deepEqual(versions, { access: 'v1alpha3', specs: 'v1alpha4', split: 'v1alpha4' });
  assert.equal(stableSeconds, 5);
  assert.deepEqual(notClaimed, {});
});

test('capabilities: everything wrong with a file is said at once, with its name', () => {
  const text = 'isolation: none\nhas: { wings: true }\nnamespaces: [a]\nstableSeconds: soon\n';
  assert.throws(
    () => parseCapabilities(text, 'bad.yaml'),
    ({ message }: Error) =>
      ['bad.yaml', 'isolation', 'mesh must', 'has.wings', 'namespaces must', 'stableSeconds'].every((part) =>
        message.includes(part),
      ),
  );
  assert.throws(() => parseCapabilities('- a', 'list.yaml'), /list.yaml: expected a map/);
});

test('capabilities: a case is skipped for a check or an id that is not claimed, and for what it needs', () => {
  const weft = readCapabilities(WEFT_CAPABILITIES);
  const byId = (id: string) => CASES.find((subject) => subject.id === id)!;
  const without = { ...weft, notClaimed: { '69': 'no splits', 'TT-22': 'no targets' } };
  assert.equal(skipReason(byId('TS-69b'), without), 'not claimed: no splits');
  assert.equal(skipReason(byId('TT-22'), without), 'not claimed: no targets');
  assert.equal(skipReason(byId('TT-23'), without), undefined);
  assert.equal(skipReason(byId('TS-77'), { ...weft, has: { ...weft.has, clusterIP: false } }), 'needs clusterIP');
});
