import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { systemClock as clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { restartable, type Restartable } from '../base/restartable.ts';
import { runOnTopOf } from '../base/run-all.ts';
import { until, WatchSource } from '../base/watch.ts';
import type { HostPort } from '../cli/arguments.ts';
import type { LocalOptions } from '../cli/local.ts';
import { serverCertificate } from '../identity/server-certificate.ts';
import { kubernetesClient } from '../kubernetes/client.ts';
import type { ApiClient, ApiObject } from '../local/api-client.ts';
import { createApiServer } from '../local/api/server.ts';
import { createControllers, runControllers } from '../local/controllers/controllers.ts';
import { DEPLOYMENTS, PODS } from '../local/controllers/resources.ts';
import { injector } from '../local/inject.ts';
import type { PodStreams } from '../local/pod-streams.ts';
import { detectIsolation, openIsolation } from '../local/runtime/detect-isolation.ts';
import type { Isolation } from '../local/runtime/isolation.ts';
import { openRun } from '../local/runtime/run-folder.ts';
import { createRuntime, type Runtime } from '../local/runtime/runtime.ts';
import { ADMIN_PORT } from '../mesh/ports.ts';
import { INJECTED } from '../spec/names.ts';
import { runController } from './controller.ts';
import { hints } from './demo/hints.ts';
import { applyDemo } from './demo/manifests.ts';
import { untilAbandoned } from './launcher.ts';
import { liveTable } from './live-table.ts';
import { sidecarCommand, warmSidecars, WEFT } from './local-sidecar.ts';
import { processLog } from './process-log.ts';
import { untilInterrupted } from './signals.ts';

/** A mesh on this machine that is up. */
export interface LocalMesh {
  readonly kubeconfig: string;
  readonly isolation: Isolation['kind'];
  /** Which isolation, and why, for people. */
  readonly isolationReason: string;
  readonly client: ApiClient;
  readonly runtime: Runtime;
  /** Stops and starts the controller; the proxies go on meanwhile. */
  readonly controller: Pick<Restartable, 'stop' | 'start'>;
}

/** `weft local`: a whole mesh on this machine, with a demo to look at. */
export async function local(options: LocalOptions): Promise<number> {
  const signal = AbortSignal.any([untilInterrupted(), untilAbandoned()]);
  const log = processLog(options.logLevel, 'local');
  try {
    await runLocal(options, log, (mesh, stop) => present(mesh, options, stop), signal);
    return 0;
  } catch (error) {
    console.error(`weft local: ${error instanceof Error ? error.message : String(error)}`);
    if (options.logLevel === 'debug') console.error(error);
    return 1;
  }
}

/**
 * Brings the mesh up, gives it to `use`, and takes it down when `use` ends or the signal aborts. Leaves nothing behind.
 * @throws when a part cannot start; the message says which and why
 */
export async function runLocal(
  options: LocalOptions,
  log: Logger,
  use: (mesh: LocalMesh, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const random = Math.random;
  const warm = warmSidecars();
  const choice = await detectIsolation(options.isolation);
  const run = await openRun(tmpdir(), log);
  let isolation: Isolation | undefined;
  let closeApi: (() => Promise<void>) | undefined;
  try {
    // The API server, as every client sees it
    const tls = serverCertificate({ clock, hosts: API_HOSTS });
    const pods: { streams?: PodStreams } = {}; // the API server is made before the runtime that it asks
    const api = await createApiServer({
      tls: { certificate: tls.certificate, privateKey: tls.privateKey, ca: tls.ca },
      ...(options.dataDir === undefined ? {} : { dataDir: resolve(options.dataDir) }),
      admission: [injector(() => api.client)],
      podStreams: lazily(() => pods.streams),
      clock,
      log,
    });
    closeApi = () => api.run(AbortSignal.abort());
    const { url } = await api.listen({ host: '127.0.0.1', port: 0 });
    const kubeconfig = resolve(options.kubeconfig ?? join(run.folder, 'kubeconfig'));
    await writeKubeconfig(kubeconfig, api.kubeconfig());
    const kubernetes = await kubernetesClient({ server: url, ca: tls.ca, token: api.adminToken });

    // Pods as processes, each with its sidecar
    const path = process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin';
    const denyByDefault = options.policy === 'deny';
    isolation = await openIsolation(choice, { client: api.client, log, run, path, denyByDefault });
    const bundleFile = join(run.folder, 'trust-bundle.pem');
    const controllerAddress = new WatchSource<HostPort>();
    const bin = await binFolder(run.folder);
    const runtime = createRuntime({
      client: api.client,
      clock,
      random,
      log,
      isolation,
      environment: {
        PATH: `${bin}:${path}`,
        HOME: process.env['HOME'] ?? '/',
        LANG: process.env['LANG'] ?? 'C.UTF-8',
      },
      workingDirectory: process.cwd(),
      run,
      apiServer: { port: Number(new URL(url).port), caCertificate: tls.ca },
      token: async ({ namespace, serviceAccount, audiences, expirationSeconds, pod }) => {
        const request = {
          namespace,
          serviceAccount,
          audience: audiences[0] ?? '',
          expirationSeconds: Math.max(600, expirationSeconds),
          pod,
        };
        const issued = await kubernetes.requestToken(request, signal);
        return { token: issued.token, expirationTimestamp: new Date(issued.expiresAtMs).toISOString() };
      },
      sidecar: async (context) => {
        const { port } = await until(controllerAddress, () => true, signal);
        await warm;
        return sidecarCommand(context, { controllerPort: port, bundleFile, logLevel: options.logLevel });
      },
    });
    pods.streams = runtime.streams;
    const controller = restartable(async (stop, up) => {
      const controllerOptions = {
        kubeconfig,
        // Started again, it is where the sidecars look for it
        listen: { host: '127.0.0.1', port: controllerAddress.current()?.port ?? 0 },
        admin: { host: '127.0.0.1', port: 0 },
        trustDomain: 'cluster.local',
        clusterDomain: 'cluster.local',
        namespace: 'weft-system',
        policy: options.policy,
        installsCrds: true,
        webhookListen: { host: '127.0.0.1', port: 0 },
        webhookService: 'weft-webhooks',
        webhookUrl: 'https://127.0.0.1:0',
        bundleFile,
      };
      const ready = (address: HostPort) => {
        controllerAddress.set(address);
        up();
      };
      await runController(controllerOptions, log, ready, stop);
    });
    const mesh: LocalMesh = {
      kubeconfig,
      isolation: isolation.kind,
      isolationReason: choice.reason,
      client: api.client,
      runtime,
      controller,
    };
    closeApi = undefined; // from here on it ends with the rest
    // The API server stops last: the controller hands its lease back, and what becomes of the pods is written
    await runOnTopOf(
      (stop) => api.run(stop),
      [
        (stop) =>
          runControllers(
            createControllers({ client: api.client, clock, random, log, caCertificate: tls.ca }),
            { clock, random, log },
            stop,
          ),
        (stop) => controller.run(stop),
        (stop) => runtime.run(stop),
        async (stop) => {
          await until(controllerAddress, () => true, stop);
          await use(mesh, stop);
        },
      ],
      signal,
    );
    kubernetes.close();
  } finally {
    await closeApi?.();
    await isolation?.close();
    await run.close();
  }
}

/** Names and addresses under which pods and people reach the API server. */
const API_HOSTS = [
  '127.0.0.1',
  '::1',
  'localhost',
  'kubernetes',
  'kubernetes.default',
  'kubernetes.default.svc',
  'kubernetes.default.svc.cluster.local',
];

/** The part of `weft local` that people see. */
async function present(mesh: LocalMesh, options: LocalOptions, signal: AbortSignal): Promise<void> {
  console.log(`kubeconfig: ${mesh.kubeconfig}`);
  console.log(mesh.isolationReason);
  if (options.demo) {
    await applyDemo(mesh.client);
    await allAvailable(mesh.client, signal);
  }
  const waiting = await sidecarsReady(mesh.runtime, signal);
  const pods = mesh.runtime.sidecars().size;
  console.log(
    `mesh ready: ${pods} ${pods === 1 ? 'pod' : 'pods'}, each with its sidecar (isolation ${mesh.isolation}, ${(performance.now() / 1000).toFixed(1)} s)`,
  );
  if (waiting.length > 0) console.log(`not ready yet: the sidecars of ${waiting.join(', ')}`);
  console.log('For development, tests and CI: this is no Kubernetes cluster. Ctrl-C stops everything.\n');
  if (!options.demo) return aborted(signal);
  console.log(`${hints(mesh.kubeconfig)}\n`);
  const terminal = process.stdout.isTTY === true;
  await liveTable(
    {
      sidecars: () => sidecars(mesh),
      clock,
      terminal: terminal ? { columns: () => process.stdout.columns || 80 } : undefined,
      write: (text) => process.stdout.write(text),
    },
    signal,
  );
}

/** Meshed pods and how their sidecars' admin listeners are reached in this isolation. */
function sidecars({ client, isolation, runtime }: LocalMesh) {
  const found = client.list(PODS).filter((pod) => isMeshed(pod) && podIp(pod) !== undefined);
  return new Map(
    found.map((pod) => {
      const { namespace = '', name } = pod.metadata;
      const dial = async (signal: AbortSignal) => {
        if (isolation === 'process') return connect({ host: podIp(pod) ?? '', port: ADMIN_PORT });
        const forward = runtime.streams.portForward;
        if (forward === undefined) throw new Error('the runtime forwards no ports');
        return forward.call(runtime.streams, { namespace, pod: name, port: ADMIN_PORT }, signal);
      };
      return [`${namespace}/${name}`, dial] as const;
    }),
  );
}

function isMeshed(pod: ApiObject): boolean {
  return pod.metadata.annotations?.[INJECTED] === 'true';
}

function podIp(pod: ApiObject): string | undefined {
  return (pod['status'] as { podIP?: string } | undefined)?.podIP;
}

const SIDECARS_WAIT_MS = 10_000;

/**
 * Waits until every pod that is there, such as those of a data folder, has its sidecar. One that cannot start, because
 * it lacks a volume, does not hold up the others: gives back those that had none in time.
 */
async function sidecarsReady(runtime: Runtime, signal: AbortSignal): Promise<readonly string[]> {
  const deadline = clock.now() + SIDECARS_WAIT_MS;
  for (;;) {
    const waiting = [...runtime.sidecars()].flatMap(([pod, ready]) => (ready ? [] : [pod]));
    if (waiting.length === 0 || signal.aborted || clock.now() >= deadline) return waiting;
    await clock.sleep(50, signal).catch(() => undefined);
  }
}

/** Waits until every Deployment has all its replicas available. */
async function allAvailable(client: ApiClient, signal: AbortSignal): Promise<void> {
  const changes = new WatchSource(0);
  const stop = client.watch(DEPLOYMENTS, () => changes.set((changes.current() ?? 0) + 1));
  try {
    await until(changes, () => client.list(DEPLOYMENTS).every(isAvailable), signal);
  } finally {
    stop();
  }
}

function isAvailable(deployment: ApiObject): boolean {
  const { replicas = 1 } = deployment['spec'] as { replicas?: number };
  const { availableReplicas = 0 } = (deployment['status'] ?? {}) as { availableReplicas?: number };
  return availableReplicas >= replicas;
}

/** Streams that come to be later. */
function lazily(streams: () => PodStreams | undefined): PodStreams {
  const now = () => {
    const found = streams();
    if (found === undefined) throw new Error('the pod runtime has not started yet');
    return found;
  };
  return {
    logs: (options, signal) => now().logs(options, signal),
    exec: (options, signal) => now().exec(options, signal),
    portForward: (options, signal) => {
      const { portForward } = now();
      if (portForward === undefined) throw new Error('the runtime forwards no ports');
      return portForward(options, signal);
    },
  };
}

async function writeKubeconfig(file: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text, { mode: 0o600 });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`cannot write the kubeconfig (${why}); fix: name a file that you may write with --kubeconfig`);
  }
}

/** A folder with `weft` and this Node, for the PATH of pods. */
async function binFolder(folder: string): Promise<string> {
  const bin = join(folder, 'bin');
  await mkdir(bin);
  await writeFile(join(bin, 'weft'), `#!/bin/sh\nexec '${process.execPath}' '${WEFT}' "$@"\n`, { mode: 0o755 });
  return bin;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done();
    else signal.addEventListener('abort', () => done(), { once: true });
  });
}
