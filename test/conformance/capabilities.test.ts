import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Case } from '../../conformance/case.ts';
import {
  parseCapabilities,
  readCapabilities,
  WEFT_CAPABILITIES,
  type ApiGroup,
} from '../../conformance/capabilities.ts';
import { CASES } from '../../conformance/cases/all.ts';
import { skipReason } from '../../conformance/run-conformance.ts';

test("capabilities: Weft's own file is valid and says why of all that it does not claim", () => {
  const weft = readCapabilities(WEFT_CAPABILITIES);
  assert.equal(weft.mesh, 'weft');
  assert.equal(weft.namespaces.deny.annotations?.['weft.dev/policy'], 'deny');
  const controls = { controlPlane: { stop: async () => {}, start: async () => {} }, restartProxy: async () => {} };
  const skipped = CASES.filter((subject) => skipReason(subject, weft, controls) !== undefined);
  const unclaimed = ({ id, check, serves = [] }: Case) =>
    weft.notClaimed[id] !== undefined ||
    weft.notClaimed[String(check)] !== undefined ||
    serves.some((version) => !weft.served[version.split('/')[0] as ApiGroup].includes(version.split('/')[1] ?? ''));
  assert.deepEqual(
    skipped.filter((subject) => !unclaimed(subject)),
    [],
  );
});

test('capabilities: what a file leaves out has its default', () => {
  const { has, versions, stableSeconds, notClaimed } = parseCapabilities(
    'mesh: other\nhas: { events: false }',
    'other.yaml',
  );
  assert.deepEqual(has, {
    capture: true,
    clusterIP: true,
    events: false,
    crds: false,
    udp: false,
    ingress: false,
  });
  assert.deepEqual(versions, { access: 'v1alpha3', specs: 'v1alpha4', split: 'v1alpha4' });
  assert.equal(stableSeconds, 5);
  assert.deepEqual(notClaimed, {});
});

test('capabilities: everything wrong with a file is said at once, with its name and where', () => {
  const text = `
isolation: none
has: { wings: true, capture: maybe }
namespaces: [a]
stableSeconds: soon
served: { split: [v1, v1alpha2], network: [v1alpha1] }
controlPlane: [weft-controller]
restartProxy: { container: proxy }
spiffeId: cluster.local
conditions: { accepted: true }
bypass: { annotations: { port: 8083 } }
notClaimed: { '116': later, TT-22: '', everything: no }
`;
  const message = messageOf(text);
  assert.match(message, /^bad\.yaml:\n/);
  assert.deepEqual(
    message
      .split('\n')
      .slice(1)
      .map((line) => line.trim()),
    [
      'mesh must name the mesh',
      `isolation is unknown; known are ${Object.keys(readCapabilities(WEFT_CAPABILITIES)).sort(byField).join(', ')}`,
      'has.wings is unknown; known are capture, clusterIP, events, crds, udp, ingress',
      'has.capture must be true or false',
      'namespaces must be a map',
      'stableSeconds must be a number of seconds, 3600 at most',
      'served.split[0] must be one of v1alpha1, v1alpha2, v1alpha3, v1alpha4',
      'served.network is unknown; known are access, specs, split',
      'controlPlane[0] must be a Deployment as namespace/name',
      'restartProxy needs a container and a command',
      'spiffeId must be a SPIFFE ID with {namespace} and {serviceAccount} in it',
      'conditions.accepted must be a text',
      'bypass.annotations.port must be a text',
      'notClaimed.116 is neither the number of a check (1 to 115) nor the id of a case',
      'notClaimed.TT-22 must say why',
      'notClaimed.everything is neither the number of a check (1 to 115) nor the id of a case',
    ],
  );
  assert.match(messageOf('- a'), /bad\.yaml: expected a map of fields/);
  assert.match(messageOf('mesh: ['), /bad\.yaml: not YAML: /);
});

/** In the order in which docs/conformance.md and the code name them. */
const FIELDS =
  `mesh has namespaces bypass clusterDomain forgedHeaders versions served spiffeId controlPlane restartProxy
 conditions propagationSeconds stableSeconds notClaimed`.split(/\s+/);
const byField = (a: string, b: string) => FIELDS.indexOf(a) - FIELDS.indexOf(b);

function messageOf(text: string): string {
  try {
    parseCapabilities(text, 'bad.yaml');
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('it was taken');
}

test('capabilities: cases can only be written in versions that are served', () => {
  const text = 'mesh: m\nserved: { split: [v1alpha2] }';
  assert.match(messageOf(text), /versions\.split: cases cannot be written in v1alpha4/);
  assert.equal(parseCapabilities(`${text}\nversions: { split: v1alpha2 }`, 'm').versions.split, 'v1alpha2');
});

test('capabilities: docs/conformance.md explains every field', () => {
  const text = readFileSync(new URL('../../docs/conformance.md', import.meta.url), 'utf8');
  for (const field of FIELDS) assert.match(text, new RegExp(`^\\| [^|]*\`${field}[.\`]`, 'm'), field);
});

test('capabilities: a case is skipped for a check or an id that is not claimed, and for what it needs', () => {
  const weft = readCapabilities(WEFT_CAPABILITIES);
  const byId = (id: string) => CASES.find((subject) => subject.id === id)!;
  const without = { ...weft, notClaimed: { '69': 'no splits', 'TT-22': 'no targets' } };
  assert.equal(skipReason(byId('TS-69b'), without), 'not claimed: no splits');
  assert.equal(skipReason(byId('TT-22'), without), 'not claimed: no targets');
  assert.equal(skipReason(byId('TT-23'), without), undefined);
  const lean = { ...weft, served: { ...weft.served, split: ['v1alpha4'] } };
  assert.equal(skipReason(byId('TS-12'), lean), 'not claimed to be served: split/v1alpha1');
  assert.match(skipReason(byId('TT-112'), weft) ?? '', /^needs controlPlane/);
  assert.match(skipReason(byId('TS-94'), { ...weft, notClaimed: {} }) ?? '', /^not written yet: a gateway/);
  assert.equal(
    skipReason(byId('TS-77'), { ...weft, has: { ...weft.has, clusterIP: false } }),
    'needs clusterIP (pods outside the mesh reach Services by name)',
  );
});
