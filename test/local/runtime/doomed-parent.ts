// Runs a machine until it is killed: what orphan.test.ts kills. Prints the run's folder, then the pods' processes.
import type { TestContext } from 'node:test';
import { silentLog } from '../../../src/base/log.ts';
import type { ApiClient } from '../../../src/local/api-client.ts';
import { PODS } from '../../../src/local/controllers/resources.ts';
import { detectNetns } from '../../../src/local/runtime/netns/detect.ts';
import { netnsIsolation } from '../../../src/local/runtime/netns/isolation.ts';
import type { Run } from '../../../src/local/runtime/options.ts';
import { eventuallyLogs, shellPod, startMachine } from './machine.ts';

const support = await detectNetns();
const netns = (run: Run, client: ApiClient) => {
  if (!support.available) throw new Error(support.reason);
  return netnsIsolation({
    ...support,
    denyByDefault: false,
    client,
    run,
    log: silentLog,
    path: process.env.PATH ?? '',
  });
};
const machine = await startMachine({ after() {} } as unknown as TestContext, {
  ...(process.argv[2] === 'netns' ? { isolation: netns } : {}),
  sidecar: () => ({ command: ['/bin/sh', '-c', 'echo $$; while :; do sleep 1; done'] }),
});
// setsid may have gone before its child is `sleep`
const daemon = 'setsid -f sleep 1234; until pgrep -n -f "^sleep 1234$"; do sleep 0.1; done';
const script = `trap "" TERM; echo $$$$; ${daemon}; while :; do sleep 1; done`;
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
