import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import assert from 'node:assert/strict';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLog } from '../../../src/base/log.ts';
import { seeded } from '../../../src/base/random.ts';
import type { ApiClient, ApiObject } from '../../../src/local/api-client.ts';
import { createApiServer } from '../../../src/local/api/server.ts';
import { createControllers, runControllers } from '../../../src/local/controllers/controllers.ts';
import type { Pod } from '../../../src/local/controllers/objects.ts';
import { EVENTS, PODS } from '../../../src/local/controllers/resources.ts';
import type { Isolation } from '../../../src/local/runtime/isolation.ts';
import type { Run, RuntimeOptions } from '../../../src/local/runtime/options.ts';
import { processIsolation } from '../../../src/local/runtime/process-isolation.ts';
import { openRun } from '../../../src/local/runtime/run-folder.ts';
import { createRuntime, type Runtime } from '../../../src/local/runtime/runtime.ts';

export interface Machine {
  readonly client: ApiClient;
  readonly runtime: Runtime;
  readonly folder: string;
  /** Ends the runtime as Ctrl-C does. */
  stop(): Promise<void>;
}

export interface MachineOptions extends Partial<Omit<RuntimeOptions, 'isolation'>> {
  readonly isolation?: (run: Run, client: ApiClient) => Promise<Isolation>;
  readonly controllers?: boolean;
  /** Goes on with the objects of another machine. */
  readonly client?: ApiClient;
}

/** The embedded API server with the runtime; with controllers when asked. */
export async function startMachine(t: TestContext, given: MachineOptions = {}): Promise<Machine> {
  const client = given.client ?? (await createApiServer({})).client;
  const parent = await mkdtemp(join(tmpdir(), 'weft-test-'));
  const run = await openRun(parent, silentLog);
  const base = { client, clock: systemClock, random: seeded(2), log: silentLog };
  const { isolation = processIsolation, controllers = false, ...rest } = given;
  const options: RuntimeOptions = {
    ...base,
    isolation: await isolation(run, client),
    environment: { PATH: process.env.PATH ?? '', HOME: '/tmp' },
    workingDirectory: '/tmp',
    run,
    apiServer: { port: 6443, caCertificate: 'CA' },
    token: ({ serviceAccount, audiences }) => {
      const expirationTimestamp = new Date(Date.now() + 3_600_000).toISOString();
      return Promise.resolve({ token: `token of ${serviceAccount} for ${audiences.join()}`, expirationTimestamp });
    },
    restartBackoffMs: 50,
    maxRestartBackoffMs: 200,
    ...rest,
  };
  const runtime = createRuntime(options);
  const stopping = new AbortController();
  const running = Promise.all([
    runtime.run(stopping.signal),
    controllers
      ? runControllers(createControllers({ ...base, caCertificate: 'CA' }), base, stopping.signal)
      : undefined,
  ]);
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= (async () => {
      stopping.abort();
      await running;
      await run.close();
      assert.deepEqual(await readdir(parent), [], 'folders left behind');
      await rm(parent, { recursive: true, force: true });
    })();
    return stopped;
  };
  t.after(stop);
  return { client, runtime, folder: run.folder, stop };
}

/** A pod of one container that runs a shell script. */
export function shellPod(name: string, script: string, container: object = {}, spec: object = {}): ApiObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: {
      terminationGracePeriodSeconds: 2,
      containers: [{ name: 'main', image: 'none', command: ['sh', '-c', script], ...container }],
      ...spec,
    },
  };
}

export function podOf(client: ApiClient, name: string): Pod {
  const pod = client.get(PODS, 'default', name);
  assert.ok(pod, `pod ${name} is missing`);
  return pod as Pod;
}

export function conditionOf(client: ApiClient, name: string, type: string) {
  return podOf(client, name).status?.conditions?.find((c) => c.type === type);
}

export function mainState(client: ApiClient, name: string) {
  const status = podOf(client, name).status?.containerStatuses?.[0];
  assert.ok(status, `pod ${name} has no container status`);
  return status;
}

export async function logsOf(runtime: Runtime, pod: string, options: object = {}): Promise<string> {
  let text = '';
  const signal = AbortSignal.timeout(10_000);
  for await (const chunk of runtime.streams.logs({ namespace: 'default', pod, ...options }, signal))
    text += chunk.toString();
  return text;
}

export function eventsOf(client: ApiClient, pod: string): string[] {
  return client
    .list(EVENTS, 'default')
    .filter((e) => (e.involvedObject as { name: string }).name === pod)
    .map((e) => `${String(e.reason)}: ${String(e.message)}`);
}

/** Waits until a pod's log is (or matches) what is expected. */
export async function eventuallyLogs(
  runtime: Runtime,
  pod: string,
  expected: string | RegExp,
  options: object = {},
): Promise<string> {
  for (let i = 0; ; i++) {
    const text = await logsOf(runtime, pod, options).catch((error: unknown) => String(error));
    if (typeof expected === 'string' ? text === expected : expected.test(text)) return text;
    if (i === 500) assert.fail(`log of ${pod} is ${JSON.stringify(text)}, not ${String(expected)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Whether a process runs; a zombie does not. */
export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2)[0] !== 'Z';
  } catch {
    return false;
  }
}
