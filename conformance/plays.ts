import { everything, account, rule, split, target } from './cases/objects.ts';
import type { Traffic } from './case.ts';
import { isReady } from './fleet.ts';
import { complete, describeTally, forbidden } from './judge.ts';
import { pathOf, type KubeObject } from './kube.ts';
import type { Lab } from './lab.ts';
import { quantity } from './object-steps.ts';
import { WHOLE_MESH_PLAYS } from './whole-mesh-plays.ts';
import type { CallResult } from './testapp/protocol.ts';

/** Cases that are no data: something is held open, or goes on, while objects change. */
export type Play = (lab: Lab) => Promise<void>;

export const PLAYS: Readonly<Record<string, Play>> = {
  'revoke-live-connections': revokeLiveConnections,
  'pods-stay-ready': podsStayReady,
  'weights-under-load': weightsUnderLoad,
  canary,
  'stored-in-the-oldest-version': storedInTheOldestVersion,
  ...WHOLE_MESH_PLAYS,
};

const toB: Traffic = { from: 'a', to: { service: '$b' }, is: 'allowed' };
const toRoot: Traffic = { from: 'web', to: { service: '$id-root' }, concurrency: 4, is: 'allowed' };
const ROOT = '$id-root';

/** Check 47: HTTP connections live on and get 403, TCP connections are closed. */
async function revokeLiveConnections(lab: Lab): Promise<void> {
  const open = target('open', { sources: [account('a')], rules: [rule(everything)] });
  const bytes = target('bytes', {
    sources: [account('a')],
    rules: [{ kind: 'TCPRoute', name: '$id-tcp' }],
  });
  const tcpRoute = {
    apiVersion: 'specs.smi-spec.io',
    kind: 'TCPRoute',
    metadata: { name: '$id-tcp' },
    spec: { matches: { ports: [9000] } },
  };
  await lab.apply([everything, tcpRoute, open, bytes]);
  const tcp: Traffic = { ...toB, protocol: 'tcp', port: 9000 };
  await lab.eventually(() => Promise.all([toB, tcp].map((traffic) => lab.observe(traffic, 1))));

  const driver = lab.driver('a');
  const heldHttp = await driver.open({ ...(await lab.call(toB)), reuse: true });
  const heldTcp = await driver.open(await lab.call(tcp));
  lab.check(
    complete(heldHttp.answer) && complete(heldTcp.answer),
    `connections are open: ${text(heldHttp.answer)}, ${text(heldTcp.answer)}`,
  );
  const again = await heldTcp.again();
  lab.check(complete(again), `the TCP connection goes on while the target is there: ${text(again)}`);

  await lab.remove([open, bytes]);
  await lab.eventually(async () => {
    const answer = await heldHttp.again();
    return [
      { holds: forbidden(answer), text: `next request on the kept HTTP connection: ${text(answer)}, expected 403` },
    ];
  });
  const closed = await heldTcp.closedWithin(lab.capabilities.propagationSeconds * 1000);
  lab.check(closed, `the TCP connection was closed: ${closed}`);
  await heldHttp.close();
  await heldTcp.close();
}

/** Check 51. The pods have been probed, in deny mode, ever since they started. */
async function podsStayReady(lab: Lab): Promise<void> {
  for (const { name } of lab.fleet.residents(lab.home)) {
    const pod = await lab.fleet.pod(lab.home, name);
    lab.check(
      pod !== undefined && isReady(pod),
      `pod ${name} is ready: ${JSON.stringify(pod?.status?.conditions ?? [])}`,
    );
  }
}

/** Check 72. */
async function weightsUnderLoad(lab: Lab): Promise<void> {
  await lab.expect([{ ...toRoot, count: 100, is: { each: ['v2'] } }]);
  const finish = await load(lab);
  await lab.apply([split('split', ROOT, { v1: 50, v2: 50 })]);
  try {
    await lab.expect([{ ...toRoot, is: { shares: { v1: 50, v2: 50 } } }]);
  } finally {
    noneFailed(lab, await finish());
  }
}

/** Check 95: weights as Flagger writes them, ending with everything on the promoted primary. */
async function canary(lab: Lab): Promise<void> {
  const step = (primary: number, canary: number) =>
    lab.apply([split('split', ROOT, { 'root-primary': primary, 'root-canary': canary })]);
  await step(100, 0);
  await lab.expect([{ ...toRoot, count: 100, is: { each: ['v1'] } }]);
  const finish = await load(lab);
  try {
    for (const weight of [10, 30]) {
      await step(100 - weight, weight);
      await lab.pause(400);
    }
    await step(50, 50);
    await lab.expect([{ ...toRoot, is: { shares: { v1: 50, v2: 50 } } }]);
    await step(100, 0);
    await lab.expect([{ ...toRoot, count: 200, is: { each: ['v1'] } }]);
  } finally {
    noneFailed(lab, await finish());
  }
}

interface CrdView extends KubeObject {
  readonly spec: { readonly versions: readonly { readonly name: string; readonly storage: boolean }[] };
}

/**
 * Check 20: what an older mesh has left behind. The CRD is made to store the oldest version, a split is written, and the
 * CRD is put back, as an upgrade does it: the object lies there in the old form and is read by the new mesh.
 */
async function storedInTheOldestVersion(lab: Lab): Promise<void> {
  const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/trafficsplits.split.smi-spec.io';
  const storing = async (version: string) => {
    const crd = (await lab.kube.get(path)).body as CrdView;
    const versions = crd.spec.versions.map((each) => ({ ...each, storage: each.name === version }));
    const reply = await lab.kube.request('PUT', path, { ...crd, spec: { ...crd.spec, versions } });
    lab.check(
      reply.code < 300,
      `the CRD stores ${version}: ${reply.code} ${reply.code < 300 ? '' : JSON.stringify(reply.body)}`,
    );
  };
  const before = ((await lab.kube.get(path)).body as CrdView).spec.versions.find(({ storage }) => storage)?.name ?? '';
  const object = { ...split('split', ROOT, { v1: 1, v2: 3 }), apiVersion: 'split.smi-spec.io/v1alpha1' };
  try {
    await storing('v1alpha1');
    await lab.apply([object]);
    await lab.expect([{ ...toRoot, is: { shares: { v1: 25, v2: 75 } } }]);
  } finally {
    await storing(before);
  }
  for (const version of lab.capabilities.served.split) {
    const { code, body } = await lab.kube.get(pathOf(lab.objectAs(object, version)));
    const { backends = [] } = (body as { spec?: { backends?: { weight: unknown }[] } }).spec ?? {};
    const weights = backends.map(({ weight }) => quantity(weight));
    lab.check(
      code === 200 && weights.join() === '1,3',
      `read in ${version}: ${code}, weights ${weights.join(' and ')}`,
    );
  }
  await lab.expect([{ ...toRoot, is: { shares: { v1: 25, v2: 75 } } }]);
}

/** Requests that go on until the function that comes back is called: on one connection, and each on one of its own. */
async function load(lab: Lab): Promise<() => Promise<readonly CallResult[]>> {
  const call = { ...(await lab.call(toRoot)), concurrency: 1, pauseMs: 5 };
  const driver = lab.driver('web');
  const ends = await Promise.all([driver.start({ ...call, reuse: true }), driver.start(call)]);
  return () => Promise.all(ends.map((end) => end()));
}

function noneFailed(lab: Lab, results: readonly CallResult[]): void {
  const failed = results.flatMap(({ tallies }) => tallies).filter(({ answer }) => !complete(answer));
  const sent = results.map((result) => result.sent);
  lab.check(
    !sent.includes(0) && failed.length === 0,
    failed.length === 0
      ? `under load none failed of ${sent[0]} requests on one connection, and of ${sent[1]} on one each`
      : `failed under load: ${failed.map(describeTally).join('; ')}`,
  );
}

function text(answer: CallResult['tallies'][number]['answer']): string {
  return describeTally({ answer, count: 1 });
}
