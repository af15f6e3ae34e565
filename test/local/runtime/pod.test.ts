import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PODS } from '../../../src/local/controllers/resources.ts';
import { eventually, steadily } from '../controllers/cluster.ts';
import {
  conditionOf,
  eventsOf,
  eventuallyLogs,
  isAlive,
  logsOf,
  mainState,
  podOf,
  shellPod,
  startMachine,
} from './machine.ts';

test('pod: runs its command, is ready, and its status and events are those of a kubelet', async (t) => {
  const { client, runtime } = await startMachine(t);
  await client.create(PODS, shellPod('web', 'echo hello; echo trouble >/dev/stderr; sleep 100'));
  await eventually(() => assert.equal(conditionOf(client, 'web', 'Ready')?.status, 'True'));
  const { status, spec } = podOf(client, 'web');
  assert.equal(spec.nodeName, 'local');
  assert.equal(status?.phase, 'Running');
  assert.match(status?.podIP ?? '', /^127\.\d+\.\d+\.\d+$/);
  assert.deepEqual(status?.podIPs, [{ ip: status?.podIP }]);
  assert.ok(status?.startTime);
  const main = mainState(client, 'web');
  assert.ok(main.state.running?.startedAt);
  assert.deepEqual([main.ready, main.started, main.restartCount], [true, true, 0]);
  for (const type of ['PodScheduled', 'Initialized', 'ContainersReady', 'PodReadyToStartContainers']) {
    assert.equal(conditionOf(client, 'web', type)?.status, 'True', type);
  }
  await eventually(() => {
    const reasons = eventsOf(client, 'web').map((e) => e.split(':')[0]);
    assert.deepEqual(reasons.sort(), ['Created', 'Scheduled', 'Started']);
  });
  await eventuallyLogs(runtime, 'web', /^(hello\ntrouble|trouble\nhello)\n$/);
});

test('pod: a deleted one gets preStop, TERM and its grace period, then the object goes', async (t) => {
  const { client, runtime, folder } = await startMachine(t);
  const lifecycle = { preStop: { exec: { command: ['sh', '-c', 'echo pre > $WEFT_VOLUME_OUT/pre'] } } };
  const script = 'trap "cat $WEFT_VOLUME_OUT/pre; echo bye; exit 0" TERM; echo up; while :; do sleep 0.02; done';
  const spec = { volumes: [{ name: 'out', emptyDir: {} }] };
  await client.create(PODS, shellPod('web', script, { lifecycle }, spec));
  await eventually(() => assert.equal(conditionOf(client, 'web', 'Ready')?.status, 'True'));
  const said: string[] = [];
  const following = (async () => {
    const signal = AbortSignal.timeout(10_000);
    const options = { namespace: 'default', pod: 'web', follow: true };
    for await (const chunk of runtime.streams.logs(options, signal)) said.push(chunk.toString());
  })();
  await eventually(() => assert.deepEqual(said, ['up\n']));
  const states: (string | undefined)[] = [];
  client.watch(PODS, ({ object }) => states.push((object as { status?: { phase?: string } }).status?.phase));
  await client.delete(PODS, 'default', 'web', { gracePeriodSeconds: 2 });
  await eventually(() => assert.equal(client.get(PODS, 'default', 'web'), undefined));
  await following;
  const own = said.filter((line) => line !== 'Terminated\n'); // the shell, of its sleep
  assert.deepEqual(own, ['up\n', 'pre\n', 'bye\n']);
  await eventually(() => assert.ok(eventsOf(client, 'web').includes('Killing: Stopping container main')));
  assert.ok(folder.length > 0);
});

test('pod: one that ignores TERM is killed when its grace is over', async (t) => {
  const { client } = await startMachine(t);
  await client.create(PODS, shellPod('web', 'trap "" TERM; while :; do sleep 0.1; done'));
  await eventually(() => assert.equal(conditionOf(client, 'web', 'Ready')?.status, 'True'));
  await client.delete(PODS, 'default', 'web', { gracePeriodSeconds: 1 });
  await eventually(() => assert.equal(client.get(PODS, 'default', 'web'), undefined));
});

test('pod: a crashing container is restarted with backoff and says CrashLoopBackOff', async (t) => {
  const { client, runtime } = await startMachine(t, { restartBackoffMs: 300, maxRestartBackoffMs: 300 });
  await client.create(PODS, shellPod('web', 'echo run $$$$; exit 3'));
  await eventually(() => assert.equal(mainState(client, 'web').state.waiting?.reason, 'CrashLoopBackOff'));
  const main = mainState(client, 'web');
  assert.equal(main.restartCount, 1, 'the first restart does not wait');
  assert.equal(main.lastState.terminated?.exitCode, 3);
  assert.equal(main.lastState.terminated?.reason, 'Error');
  assert.equal(podOf(client, 'web').status?.phase, 'Running');
  assert.equal(conditionOf(client, 'web', 'Ready')?.reason, 'ContainersNotReady');
  const now = await logsOf(runtime, 'web');
  const before = await logsOf(runtime, 'web', { previous: true });
  assert.match(now, /^run \d+\n$/);
  assert.match(before, /^run \d+\n$/);
  assert.notEqual(now, before);
  await eventually(() => assert.ok(mainState(client, 'web').restartCount >= 3));
  await eventually(() => assert.ok(eventsOf(client, 'web').some((e) => e.startsWith('BackOff: Back-off restarting'))));
});

test('pod: with restartPolicy Never it ends as Succeeded or Failed, and its log stays', async (t) => {
  const { client, runtime } = await startMachine(t);
  await client.create(PODS, shellPod('good', 'echo done', {}, { restartPolicy: 'Never' }));
  await client.create(PODS, shellPod('bad', 'exit 7', {}, { restartPolicy: 'Never' }));
  await client.create(PODS, shellPod('killed', 'kill -9 $$$$', {}, { restartPolicy: 'Never' }));
  await eventually(() => assert.equal(podOf(client, 'good').status?.phase, 'Succeeded'));
  assert.equal(mainState(client, 'good').state.terminated?.reason, 'Completed');
  assert.equal(conditionOf(client, 'good', 'Ready')?.reason, 'PodCompleted');
  assert.equal(await logsOf(runtime, 'good'), 'done\n');
  await eventually(() => assert.equal(podOf(client, 'bad').status?.phase, 'Failed'));
  assert.equal(mainState(client, 'bad').state.terminated?.exitCode, 7);
  await eventually(() => assert.equal(mainState(client, 'killed').state.terminated?.exitCode, 137));
  await client.delete(PODS, 'default', 'good', { gracePeriodSeconds: 30 });
  await eventually(() => assert.equal(client.get(PODS, 'default', 'good'), undefined));
});

test('pod: a command that does not exist waits with CreateContainerError and says what is missing', async (t) => {
  const { client } = await startMachine(t);
  await client.create(PODS, shellPod('web', '', { command: ['no-such-program'] }));
  await eventually(() => assert.equal(mainState(client, 'web').state.waiting?.reason, 'CreateContainerError'));
  assert.match(
    mainState(client, 'web').state.waiting?.message ?? '',
    /^executable "no-such-program" not found in PATH/,
  );
  assert.equal(podOf(client, 'web').status?.phase, 'Pending');
  await eventually(() => assert.ok(eventsOf(client, 'web').some((e) => e.startsWith('Failed: Error: executable'))));
  await client.create(PODS, shellPod('image', '', { command: [], image: 'nginx' }));
  await eventually(() => assert.match(mainState(client, 'image').state.waiting?.message ?? '', /has no command/));
  await client.create(PODS, shellPod('dir', 'true', { workingDir: '/no/such/folder' }));
  await eventually(() => assert.match(mainState(client, 'dir').state.waiting?.message ?? '', /\/no\/such\/folder/));
});

test('pod: init containers run one after the other before the app', async (t) => {
  const { client, runtime } = await startMachine(t);
  const init = (name: string, script: string) => ({ name, image: 'none', command: ['sh', '-c', script] });
  const volumes = [{ name: 'w', emptyDir: {} }];
  const initContainers = [
    init('one', 'sleep 0.1; echo 1 >> $WEFT_VOLUME_W/x'),
    init('two', 'echo 2 >> $WEFT_VOLUME_W/x'),
  ];
  await client.create(PODS, shellPod('web', 'cat $WEFT_VOLUME_W/x; sleep 100', {}, { initContainers, volumes }));
  await eventually(() => assert.equal(conditionOf(client, 'web', 'Ready')?.status, 'True'));
  const init1 = podOf(client, 'web').status?.initContainerStatuses?.[0];
  assert.equal(init1?.state.terminated?.reason, 'Completed');
  await eventually(() => assert.ok(conditionOf(client, 'web', 'Initialized')?.status === 'True'));
  await eventuallyLogs(runtime, 'web', '1\n2\n');
});

test('pod: a daemon that left its group does not outlive the pod', async (t) => {
  const { client, runtime } = await startMachine(t);
  await client.create(PODS, shellPod('web', 'setsid -f sleep 1000; pgrep -n -f "^sleep 1000$" || true; sleep 100'));
  await eventually(() => assert.equal(conditionOf(client, 'web', 'Ready')?.status, 'True'));
  const pid = Number(await eventuallyLogs(runtime, 'web', /^\d+\n$/));
  assert.ok(isAlive(pid));
  await client.delete(PODS, 'default', 'web', { gracePeriodSeconds: 1 });
  await eventually(() => assert.equal(client.get(PODS, 'default', 'web'), undefined));
  assert.equal(isAlive(pid), false);
});

test('pod: activeDeadlineSeconds ends it as Failed', async (t) => {
  const { client } = await startMachine(t);
  await client.create(PODS, shellPod('web', 'sleep 100', {}, { activeDeadlineSeconds: 1 }));
  await eventually(() => assert.equal(podOf(client, 'web').status?.reason, 'DeadlineExceeded'));
  await eventually(() => assert.equal(podOf(client, 'web').status?.phase, 'Failed'));
});

test('pod: waits for a missing ConfigMap, tells so, and goes on when it comes', async (t) => {
  const { client, runtime } = await startMachine(t);
  const env = [{ name: 'COLOUR', valueFrom: { configMapKeyRef: { name: 'settings', key: 'colour' } } }];
  await client.create(PODS, shellPod('web', 'echo $COLOUR; sleep 100', { env }));
  await eventually(() => assert.equal(mainState(client, 'web').state.waiting?.reason, 'CreateContainerConfigError'));
  assert.equal(mainState(client, 'web').state.waiting?.message, 'configmap "settings" not found');
  const metadata = { name: 'settings', namespace: 'default' };
  const resource = { group: '', resource: 'configmaps' };
  await client.create(resource, { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { colour: 'blue' } });
  await eventually(() => assert.equal(conditionOf(client, 'web', 'Ready')?.status, 'True'));
  await eventuallyLogs(runtime, 'web', 'blue\n');
  await steadily(() => assert.equal(podOf(client, 'web').status?.phase, 'Running'), 50);
});

test('pod: after a restart of the mesh it runs again, counted as a restart; one that must not is Failed', async (t) => {
  const first = await startMachine(t);
  const { client } = first;
  await client.create(PODS, shellPod('web', 'sleep 100'));
  await client.create(PODS, shellPod('once', 'sleep 100', {}, { restartPolicy: 'Never' }));
  await client.create(PODS, shellPod('done', 'exit 0', {}, { restartPolicy: 'Never' }));
  for (const name of ['web', 'once']) {
    await eventually(() => assert.equal(conditionOf(client, name, 'Ready')?.status, 'True'));
  }
  await eventually(() => assert.equal(podOf(client, 'done').status?.phase, 'Succeeded'));
  await client.create(PODS, shellPod('leaving', 'sleep 100'));
  await eventually(() => assert.equal(conditionOf(client, 'leaving', 'Ready')?.status, 'True'));
  await first.stop();
  assert.equal(podOf(client, 'web').status?.phase, 'Running', 'objects stay as they are');
  await client.delete(PODS, 'default', 'leaving', { gracePeriodSeconds: 30 });
  await startMachine(t, { client });
  await eventually(() => assert.equal(mainState(client, 'web').restartCount, 1));
  await eventually(() => assert.equal(conditionOf(client, 'web', 'Ready')?.status, 'True'));
  assert.equal(mainState(client, 'web').lastState.terminated?.exitCode, 255);
  await eventually(() => assert.equal(podOf(client, 'once').status?.phase, 'Failed'));
  assert.equal(mainState(client, 'once').state.terminated?.reason, 'Unknown');
  assert.equal(podOf(client, 'done').status?.phase, 'Succeeded');
  await eventually(() => assert.equal(client.get(PODS, 'default', 'leaving'), undefined));
});
