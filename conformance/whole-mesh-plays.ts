import { account, routeGroup, rule, service, split, target } from './cases/objects.ts';
import type { Traffic } from './case.ts';
import { complete, describeTally, type Finding } from './judge.ts';
import { CaseSkipped, type Lab } from './lab.ts';
import type { Play } from './plays.ts';
import type { Answer, CallResult } from './testapp/protocol.ts';

/** Plays of checks 41 and 111 to 114: parts of the mesh start, stop, or are busy, and traffic goes on meanwhile. */
export const WHOLE_MESH_PLAYS: Readonly<Record<string, Play>> = {
  'address-changes-hands': addressChangesHands,
  'fifty-at-once': fiftyAtOnce,
  'control-plane-stopped': controlPlaneStopped,
  'pod-starts': podStarts,
  'proxy-restarts': proxyRestarts,
};

const POLL_MS = 100;

/**
 * Check 41. Clusters hand out addresses as they like, so it may take more than one pod until one gets the address of the first;
 * where none does, there is nothing to judge.
 */
async function addressChangesHands(lab: Lab): Promise<void> {
  const attempts = 2;
  const first = await lab.addPod({ name: '$id-first' });
  await lab.fleet.settled(first);
  const fromFirst: Traffic = { from: '$id-first', to: { service: '$b' }, is: 'allowed' };
  await lab.expect([fromFirst]);
  const address = lab.fleet.address(lab.home, first.name);
  await lab.removePod(first);
  for (let i = 1; i <= attempts; i++) {
    const name = `$id-next${i}` as const;
    const next = await lab.addPod({ name, account: 'c' });
    await lab.fleet.settled(next);
    if (lab.fleet.address(lab.home, next.name) !== address) continue;
    lab.evidence.push(`pod ${next.name}, of ServiceAccount c, has the address ${address} of pod ${first.name}`);
    return lab.expect([{ ...fromFirst, from: name, is: 'denied' }]);
  }
  throw new CaseSkipped(`none of ${attempts} new pods was given the address of the deleted one (${address})`);
}

const MANY = 50;

/** Check 111. */
async function fiftyAtOnce(lab: Lab): Promise<void> {
  const before = await restarts(lab);
  const each = Array.from({ length: MANY }, (_, i) => i);
  const targets = each.flatMap((i) => {
    const group = routeGroup(`g${i}`, { only: { path: `/p${i}$` } });
    return [group, target(`t${i}`, { sources: [account(i % 2 === 0 ? 'a' : 'c')], rules: [rule(group)] })];
  });
  // All of them lead to the same pod, of another Service than the root's, so that it shows which split is in force
  const splits = each.flatMap((i) => [
    service(`r${i}`, 'nobody'),
    split(`s${i}`, `$id-r${i}`, [{ service: '$b', weight: 1 }]),
  ]);
  await Promise.all([...targets, ...splits].map((object) => lab.apply([object])));
  const paths = each.map((i) => `/p${i}`);
  const verdicts = (parity: number) =>
    Object.fromEntries(
      paths.map((path, i) => [path, i % 2 === parity ? ('allowed' as const) : ('forbidden' as const)]),
    );
  const byPath = (from: 'a' | 'c', parity: number): Traffic => ({
    from,
    to: { service: '$b' },
    paths,
    count: MANY,
    concurrency: 4,
    is: { byPath: verdicts(parity) },
  });
  const throughSplits = each.map((i): Traffic => ({
    from: i % 2 === 0 ? 'a' : 'c',
    to: { service: `$id-r${i}` },
    path: `/p${i}`,
    is: { each: ['$b'] },
  }));
  await lab.eventually(async () => [
    await lab.observe(byPath('a', 0), 1, MANY),
    await lab.observe(byPath('c', 1), 1, MANY),
    ...(await Promise.all(throughSplits.map((traffic) => lab.observe(traffic, 1)))),
  ]);
  lab.evidence.push(
    `${MANY} targets grant their own path to their own caller and no other; ${MANY} splits lead to their backend`,
  );
  const after = await restarts(lab);
  lab.check(after === before, `containers restarted while they came: ${after - before}`);
}

/** Restarts of all containers of the pods that this case could have disturbed. */
async function restarts(lab: Lab): Promise<number> {
  let sum = 0;
  for (const { name } of lab.fleet.residents(lab.home)) {
    const { containerStatuses = [], initContainerStatuses = [] } = (await lab.fleet.pod(lab.home, name))?.status ?? {};
    for (const { restartCount = 0 } of [...containerStatuses, ...initContainerStatuses]) sum += restartCount;
  }
  return sum;
}

/** Check 112. */
async function controlPlaneStopped(lab: Lab): Promise<void> {
  const { controlPlane } = lab.controls;
  if (controlPlane === undefined) throw new Error('nobody says how the control plane is stopped');
  const stays: readonly Traffic[] = [
    { from: 'a', to: { service: '$b' }, is: 'allowed' },
    { from: 'a', to: { service: '$id-root' }, is: { each: ['$b'] } },
    { from: 'c', to: { service: '$b' }, is: 'denied' },
    { from: 'web', to: { service: 'split/v1' }, is: 'allowed' },
  ];
  await lab.expect(stays);
  await controlPlane.stop();
  try {
    lab.evidence.push('the control plane is stopped');
    const until = Date.now() + Math.max(lab.capabilities.stableSeconds, 3) * 1000;
    let looks = 0;
    while (Date.now() < until) {
      const findings = await Promise.all(stays.map((traffic) => lab.observe(traffic, 1)));
      mustAllHold(lab, findings);
      looks++;
      await lab.pause(POLL_MS);
    }
    lab.check(looks > 0, `policy and routes stayed as they were, ${looks} looks`);
  } finally {
    await controlPlane.start();
  }
  const open = target('open', { sources: [], rules: [] });
  await lab.remove([open]);
  await lab.expect([{ from: 'a', to: { service: '$b' }, is: 'denied' }]);
  lab.evidence.push('started again, the control plane leads again: the deleted target is gone');
}

function mustAllHold(lab: Lab, findings: readonly Finding[]): void {
  const broken = findings.find(({ holds }) => !holds);
  if (broken !== undefined) lab.check(false, broken.text);
}

/** Check 113. */
async function podStarts(lab: Lab): Promise<void> {
  const pod = await lab.addPod({ name: '$id-new' });
  const knocking = knock(lab, '$id-new');
  await lab.fleet.settled(pod);
  await lab.expect([{ from: 'a', to: { service: '$id-new' }, is: 'allowed' }]);
  await nobodyGotIn(lab, await knocking.stop());
}

/** Check 114. */
async function proxyRestarts(lab: Lab): Promise<void> {
  const { restartProxy } = lab.controls;
  if (restartProxy === undefined) throw new Error('nobody says how a proxy is restarted');
  const granted: Traffic = { from: 'a', to: { service: '$id-pod' }, is: 'allowed' };
  await lab.expect([granted]);
  const knocking = knock(lab, '$id-pod');
  await restartProxy(lab.fleet.namespace(lab.home), lab.text('$id-pod'));
  lab.evidence.push('the proxy was ended');
  await lab.eventually(async () => [await lab.observe(granted, 1)]);
  await nobodyGotIn(lab, await knocking.stop());
}

interface Knocks {
  readonly answers: readonly { readonly from: string; readonly answer: Answer }[];
  /** Ids of the calls: the app must not know any of them. */
  readonly ids: readonly string[];
}

/** Calls a pod again and again, from inside the mesh by its name and from outside by its address, as soon as it has one. */
function knock(lab: Lab, pod: `$id-${string}`): { stop(): Promise<Knocks> } {
  const stop = new AbortController();
  const answers: { from: string; answer: Answer }[] = [];
  const ids: string[] = [];
  const name = lab.text(pod);
  const send = async (traffic: Traffic) => {
    const call = { ...(await lab.call(traffic)), timeoutMs: 1000 };
    ids.push(call.id);
    const { tallies }: CallResult = await lab.driver(traffic.from).call(call);
    for (const { answer } of tallies) answers.push({ from: traffic.from, answer });
  };
  const knocking = async () => {
    while (!stop.signal.aborted) {
      if (lab.fleet.address(lab.home, name) === '') await lab.fleet.pod(lab.home, name);
      const calls: Traffic[] = [{ from: 'c', to: { service: pod }, is: 'denied' }];
      if (lab.fleet.address(lab.home, name) !== '')
        calls.push({ from: 'outsider', to: { pod }, direct: true, is: 'denied' });
      await Promise.all(calls.map(send));
      await lab.pause(POLL_MS / 2);
    }
  };
  const running = knocking();
  running.catch(() => undefined); // told when it is stopped
  return {
    async stop() {
      stop.abort();
      await running;
      return { answers, ids };
    },
  };
}

async function nobodyGotIn(lab: Lab, { answers, ids }: Knocks): Promise<void> {
  const open = answers.filter(({ answer }) => complete(answer));
  const tallies = Object.values(Object.groupBy(answers, ({ answer }) => JSON.stringify(answer))).flatMap((same) =>
    same?.[0] === undefined ? [] : [describeTally({ answer: same[0].answer, count: same.length })],
  );
  lab.check(
    answers.length > 0 && open.length === 0,
    `${answers.length} calls without a grant meanwhile: ${tallies.join('; ')}`,
  );
  const guest = lab.guests[0];
  if (guest === undefined) throw new Error('the pod is gone');
  const seen = await lab.fleet.driver(guest.home, guest.name).seen(ids);
  const received = Object.values(seen).reduce((sum, { count }) => sum + count, 0);
  lab.check(received === 0, `of these calls the app received ${received}`);
}
