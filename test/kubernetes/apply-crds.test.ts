import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { FakeClock } from '../../src/base/clock.ts';
import { applyCrds } from '../../src/kubernetes/apply-crds.ts';
import { loadCrds } from '../../src/spec/crds.ts';
import { fail, type Stored } from './fake-api-server.ts';
import { eventually, setup } from './setup.ts';

const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
/** Reading them takes 50 ms: not in every look of those that wait. */
const crds = loadCrds();
const SPLITS = `${CRDS}/trafficsplits.split.smi-spec.io`;

async function started(t: TestContext) {
  const parts = await setup(t);
  const { server, common, signal } = parts;
  /** What a real server does soon after. */
  const establish = (names: string[] = crds.map((crd) => crd.metadata.name)) => {
    for (const name of names) {
      const crd = server.get(`${CRDS}/${name}`);
      const status = {
        conditions: [{ type: 'Established', status: 'True' }],
        storedVersions: ['v1alpha4', 'v1alpha0'],
      };
      if (crd !== undefined && crd['status'] === undefined) server.put(`${CRDS}/${name}`, { ...crd, status }, true);
    }
  };
  const apply = (more: object = {}) => applyCrds({ ...common, crds: loadCrds(), ...more }, signal);
  const writes = () => server.requests.filter((r) => r.method !== 'GET').map((r) => `${r.method} ${r.path}`);
  return { ...parts, establish, apply, writes };
}

test('apply CRDs: installs all of them and waits until they are served', async (t) => {
  const { server, apply, establish } = await started(t);
  let done = false;
  const applying = apply().then(() => (done = true));
  await eventually(() => server.list(CRDS).length === crds.length);
  assert.equal(done, false);
  establish();
  await applying;
});

test('apply CRDs: changes nothing where everything is as it should be', async (t) => {
  const { server, apply, establish, writes } = await started(t);
  const applying = apply();
  await eventually(() => server.list(CRDS).length === crds.length);
  establish();
  await applying;
  for (const crd of server.list(CRDS)) {
    const conversion = { strategy: 'None' }; // what a real server adds by default
    server.put(`${CRDS}/${crd.metadata.name}`, { ...crd, spec: { ...(crd['spec'] as object), conversion } });
  }
  const before = writes().length;
  await apply();
  assert.equal(writes().length, before);
});

test('apply CRDs: brings foreign ones up to date, keeping labels, conversion, and versions that objects are stored in', async (t) => {
  const { server, apply, establish } = await started(t);
  const schema = { openAPIV3Schema: { type: 'object' } };
  const version = (name: string, storage: boolean) => ({ name, served: true, storage, schema });
  server.put(SPLITS, {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'trafficsplits.split.smi-spec.io', labels: { theirs: 'yes' } },
    spec: {
      group: 'split.smi-spec.io',
      versions: [version('v1beta1', false), version('v1alpha0', true)],
      conversion: { strategy: 'Webhook' },
    },
  });
  establish();
  const applying = apply();
  await eventually(() => server.list(CRDS).length === crds.length);
  establish();
  await applying;
  const { metadata, spec } = server.get(SPLITS) as Stored & { spec: Record<string, unknown> };
  assert.deepEqual(metadata['labels'], { theirs: 'yes', 'app.kubernetes.io/part-of': 'weft' });
  assert.deepEqual(spec['conversion'], { strategy: 'Webhook' });
  assert.deepEqual(
    (spec['versions'] as { name: string; served: boolean; storage: boolean }[]).map((v) => [
      v.name,
      v.served,
      v.storage,
    ]),
    [
      ['v1alpha1', true, false],
      ['v1alpha2', true, false],
      ['v1alpha3', true, false],
      ['v1alpha4', true, true],
      ['v1alpha0', false, false],
    ],
  );
});

test('apply CRDs: two replicas at once get along', async (t) => {
  const { server, apply, establish } = await started(t);
  const late = new Set(crds.map((crd) => `GET ${CRDS}/${crd.metadata.name}`));
  server.intercept = (request, response) => {
    const stale = late.delete(`${request.method} ${request.path}`); // the other one creates it right after this look
    if (stale) fail(response, 404, 'NotFound');
    return stale;
  };
  for (const crd of loadCrds()) server.put(`${CRDS}/${crd.metadata.name}`, crd as unknown as Stored);
  establish();
  await apply();
  assert.equal(late.size, 0);
});

test('apply CRDs: a CRD that is never served is an error with the server’s reason', async (t) => {
  const { server, apply } = await started(t);
  const clock = new FakeClock();
  const failed = assert.rejects(apply({ clock, timeoutMs: 1_000 }), /trafficsplits.* after 1000 ms: name ts is taken/);
  await eventually(() => server.list(CRDS).length === crds.length);
  const conditions = [{ type: 'NamesAccepted', status: 'False', message: 'name ts is taken' }];
  server.put(SPLITS, { ...(server.get(SPLITS) as Stored), status: { conditions } }, true);
  for (const crd of server.list(CRDS)) {
    if (crd['status'] !== undefined) continue;
    const status = { conditions: [{ type: 'Established', status: 'True' }] };
    server.put(`${CRDS}/${crd.metadata.name}`, { ...crd, status }, true);
  }
  let over = false;
  void failed.finally(() => (over = true));
  await eventually(() => {
    void clock.advance(100);
    return over;
  });
  await failed;
});

test('apply CRDs: a refusal is thrown with the server’s words', async (t) => {
  const { server, apply } = await started(t);
  server.intercept = (request, response) => {
    const refuse = request.method === 'POST';
    if (refuse) fail(response, 403, 'Forbidden', 'cannot create customresourcedefinitions');
    return refuse;
  };
  await assert.rejects(apply(), /cannot create customresourcedefinitions/);
});
