// Runs a machine until it is killed: what orphan.test.ts kills. Prints the run's folder, then the pods' processes.
import type { TestContext } from 'node:test';
import { PODS } from '../../../src/local/controllers/resources.ts';
import { eventuallyLogs, shellPod, startMachine } from './machine.ts';

const machine = await startMachine({ after() {} } as unknown as TestContext, {
  sidecar: () => ({ command: ['/bin/sh', '-c', 'echo $$; while :; do sleep 1; done'] }),
});
const script = 'trap "" TERM; setsid -f sleep 1234; echo $$$$; pgrep -n -f "^sleep 1234$"; while :; do sleep 1; done';
const plain = shellPod('plain', script);
const meshed = shellPod('meshed', 'sleep 100');
await machine.client.create(PODS, plain);
await machine.client.create(PODS, {
  ...meshed,
  metadata: { ...meshed.metadata, annotations: { 'weft.dev/injected': 'true' } },
});
process.on('SIGINT', () => {
  void machine.stop().then(() => process.exit(0));
});
const pids = await eventuallyLogs(machine.runtime, 'plain', /\d+\n\d+\n/);
const sidecar = await eventuallyLogs(machine.runtime, 'meshed', /\d+\n/, { container: 'weft-proxy' });
console.log(JSON.stringify({ folder: machine.folder, pids: `${pids}${sidecar}`.trim().split('\n').map(Number) }));
setInterval(() => {}, 1000);
