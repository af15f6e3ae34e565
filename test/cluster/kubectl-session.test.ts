import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { serverCertificate } from '../../src/identity/server-certificate.ts';
import { createApiServer } from '../../src/local/api/server.ts';
import { createControllers, runControllers } from '../../src/local/controllers/controllers.ts';
import { EXCLUSIONS, STDIN_EXCLUSIONS } from './kubectl-session-exclusions.ts';
import { STEPS, type Step } from './kubectl-session-steps.ts';
import { comparable, differences, endsAsItHasTo, type Outcome, runSession } from './kubectl-session.ts';

const kubectl = spawnSync('kubectl', ['version', '--client']).status === 0 ? 'kubectl' : undefined;
const noKubectl = kubectl === undefined ? 'kubectl is not on the path' : false;
const realKubeconfig = process.env['WEFT_TEST_KUBECONFIG'];
const noCluster =
  noKubectl ||
  (realKubeconfig === undefined &&
    'set WEFT_TEST_KUBECONFIG to the kubeconfig of a disposable Kubernetes 1.35 to compare with it');

/** The session against the embedded server with local mode's controllers, and no pod runtime. */
async function embeddedSession(): Promise<Outcome[]> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-session-'));
  const stop = new AbortController();
  const tls = serverCertificate({ clock: systemClock, hosts: ['localhost', '127.0.0.1'] });
  const server = await createApiServer({ tls });
  await server.listen({ host: '127.0.0.1', port: 0 });
  const kubeconfig = join(folder, 'kubeconfig');
  await writeFile(kubeconfig, server.kubeconfig());
  const context = {
    client: server.client,
    clock: systemClock,
    random: Math.random,
    log: silentLog,
    caCertificate: tls.ca,
  };
  const running = [server.run(stop.signal), runControllers(createControllers(context), context, stop.signal)];
  try {
    return await runSession(kubectl ?? '', kubeconfig, STEPS);
  } finally {
    stop.abort();
    await Promise.all(running);
    await rm(folder, { recursive: true, force: true });
  }
}

const embedded = noKubectl === false ? embeddedSession() : Promise.resolve([]); // run once, looked at twice
embedded.catch(() => undefined); // the tests that await it report it

function unexpected(outcomes: readonly Outcome[]): string[] {
  return outcomes.filter(({ step, code }) => !endsAsItHasTo(step, code)).map((o) => `${o.step.run}\n${comparable(o)}`);
}

function excluded(step: Step): boolean {
  const { stdin } = step;
  if (stdin !== undefined) return STDIN_EXCLUSIONS.some(({ contains }) => stdin.includes(contains));
  return EXCLUSIONS.some(({ run, fails }) => run === step.run && (fails === undefined || fails === step.fails));
}

test('kubectl session: it has at least 80 commands, good and bad ones, and at most 30 exclusions, all in use', () => {
  assert.ok(STEPS.length >= 80);
  assert.ok(STEPS.filter((s) => s.fails).length >= 30);
  assert.ok(EXCLUSIONS.length + STDIN_EXCLUSIONS.length <= 30);
  assert.deepEqual(
    EXCLUSIONS.filter(({ run }) => !STEPS.some((s) => s.run === run)),
    [],
  );
  assert.deepEqual(
    STDIN_EXCLUSIONS.filter(({ contains }) => !STEPS.some((s) => s.stdin?.includes(contains))),
    [],
  );
});

test(
  'kubectl session: each command succeeds or fails on the embedded server as it should',
  { skip: noKubectl },
  async () => {
    assert.deepEqual(unexpected(await embedded), []);
  },
);

test(
  'kubectl session: the embedded server answers like Kubernetes, but for the reviewed exclusions',
  { skip: noCluster },
  async () => {
    const real = await runSession(kubectl ?? '', realKubeconfig ?? '', STEPS);
    assert.deepEqual(unexpected(real), [], 'the session itself has to fit Kubernetes');
    const found = differences(await embedded, real).filter(({ index }) => {
      const step = STEPS[index];
      return step === undefined || !excluded(step);
    });
    assert.deepEqual(found, []);
  },
);
