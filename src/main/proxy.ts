import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { getCompileCacheDir } from 'node:module';
import { isIP } from 'node:net';
import { dirname, extname, join, resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type AdminReply, type AdminRoute, jsonReply, textReply } from '../base/admin-route.ts';
import { systemClock as clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { runAll, type Task } from '../base/run-all.ts';
import { until, WatchSource, type Watch } from '../base/watch.ts';
import type { ProxyOptions } from '../cli/proxy.ts';
import { splitPem } from '../identity/pem.ts';
import { ADMIN_PORT, INBOUND_PORT, OUTBOUND_PORT, TUNNEL_PORT } from '../mesh/ports.ts';
import type { ProxyConfig, WorkloadLabels } from '../mesh/resources.ts';
import { parseSpiffeId } from '../mesh/spiffe.ts';
import type { TrafficSeries } from '../mesh/traffic.ts';
import { trafficReport } from '../mesh/traffic-report.ts';
import { parseConfigFile } from '../proxy/config-file.ts';
import type { ProxyListeners } from '../proxy/options.ts';
import type { WorkerSetup } from '../proxy/workers/messages.ts';
import { createSidecar, type Sidecar } from '../proxy/workers/sidecar.ts';
import { serveAdmin } from '../telemetry/admin-server.ts';
import type { ProcessMetrics } from '../telemetry/metrics.ts';
import type { TrafficSource } from '../telemetry/traffic-metrics.ts';
import { processLog } from './process-log.ts';
import type { WorkerData } from './proxy-worker.ts';
import { untilInterrupted } from './signals.ts';

/** `weft proxy`: the sidecar, alone from a file or with a controller. */
export async function proxy(options: ProxyOptions): Promise<number> {
  const signal = untilInterrupted();
  const log = processLog(options.logLevel, 'proxy');
  try {
    const tasks =
      options.config === undefined ? await connected(options, log) : await standalone(options.config, options, log);
    await runAll(tasks, signal);
    return 0;
  } catch (error) {
    console.error(`weft proxy: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}

/** Everything comes from one file, once. */
async function standalone(file: string, options: ProxyOptions, log: Logger): Promise<Task[]> {
  const contents = await readFile(file, 'utf8');
  const { credentials, config, listeners, admin, ...rest } = parseConfigFile(file, contents, (path) =>
    readFileSync(resolve(dirname(file), path), 'utf8'),
  );
  const { appAddress, podAddresses, tunnelPort, forbidden, metrics } = rest;
  const dataPath = createSidecar({
    ...workers(options),
    listeners,
    ...(appAddress === undefined ? {} : { appAddress }),
    ...(tunnelPort === undefined ? {} : { tunnelPort }),
    podAddresses,
    forbidden,
    metrics,
    config: new WatchSource(config),
    credentials: new WatchSource(credentials),
    clock,
    random: Math.random,
    log,
  });
  const configs = new WatchSource(config);
  const pages: Task[] =
    admin === undefined ? [] : [adminTask(admin.address || '0.0.0.0', admin.port, dataPath, configs, log)];
  return [(stop) => dataPath.run(stop), announce(dataPath), ...pages];
}

/** Identity and configuration come from the controller; the last good configuration is kept on disk. */
async function connected(options: ProxyOptions, log: Logger): Promise<Task[]> {
  const { controller, controllerId, caFile = '', tokenFile = '', pod, podAddress = '', stateDir } = options;
  const trustDomain = parseSpiffeId(controllerId)?.trustDomain;
  if (trustDomain === undefined) throw new Error(`--controller-id ${controllerId} is no SPIFFE ID of a workload`);
  if (controller === undefined || pod === undefined) throw new Error('--controller and --pod are needed');
  const random = Math.random;
  const { controllerDial, credentialsClient, discoveryClient, fileStateStore, remoteSigner } =
    await controlPlaneClient();
  const dial = controllerDial({
    url: `https://${controller.host}:${controller.port}`,
    roots: async () => splitPem(await readFile(caFile, 'utf8')),
    controllerIdentity: controllerId,
    credentials: () => own.credentials.current(),
    clock,
  });
  const own = credentialsClient({
    sign: remoteSigner({ post: dial.post, token: () => readFile(tokenFile, 'utf8') }),
    clock,
    random,
    trustDomain,
    log,
  });
  const config = new WatchSource<ProxyConfig>();
  const discovery = discoveryClient({
    async open(stop) {
      await until(own.credentials, () => true, stop); // the stream needs a certificate
      return dial.stream(stop);
    },
    workload: pod,
    clock,
    random,
    log,
    ...(stateDir === undefined ? {} : { store: fileStateStore(join(stateDir, 'configuration.json'), pod) }),
    apply(next) {
      config.set(next);
      const refused = dataPath.refused();
      if (refused !== undefined) throw new Error(refused);
    },
  });
  const dataPath = createSidecar({
    ...workers(options),
    listeners: podListeners(podAddress, options.capture),
    ...(options.appAddress === undefined ? {} : { appAddress: options.appAddress }),
    podAddresses: [podAddress],
    config,
    credentials: own.credentials,
    lookup: async ({ host }) => {
      await discovery.lookup(isIP(host) === 0 ? { name: host } : { address: host });
    },
    clock,
    random,
    log,
  });
  const adminAddress = options.capture === 'redirect' ? '0.0.0.0' : podAddress;
  return [
    (stop) => own.run(stop),
    (stop) => discovery.run(stop),
    (stop) => dataPath.run(stop),
    announce(dataPath),
    adminTask(adminAddress, ADMIN_PORT, dataPath, config, log),
  ];
}

/** Loaded only where there is a controller; and by who fills the compile cache of such sidecars. */
export async function controlPlaneClient() {
  const modules = await Promise.all([
    import('../discovery/client.ts'),
    import('../discovery/dial.ts'),
    import('../discovery/state-store.ts'),
    import('../identity/credentials-client.ts'),
    import('../identity/remote-signer.ts'),
  ]);
  const [{ discoveryClient }, { controllerDial }, { fileStateStore }, { credentialsClient }, { remoteSigner }] =
    modules;
  return { discoveryClient, controllerDial, fileStateStore, credentialsClient, remoteSigner };
}

/** With `--concurrency N`, each event loop is a thread: `proxy-worker`, compiled or not as this file is. */
function workers({ concurrency, logLevel }: ProxyOptions) {
  const program = new URL(`./proxy-worker${extname(import.meta.filename)}`, import.meta.url);
  const startWorker = (setup: WorkerSetup) => {
    const compiled = getCompileCacheDir(); // a folder per version of Node in the one that was asked for
    const compileCache = compiled === undefined ? undefined : dirname(compiled);
    const data: WorkerData = { setup, logLevel, compileCache };
    return new Worker(program, { workerData: data });
  };
  return { concurrency, startWorker };
}

/** Where a pod's sidecar listens: at the redirection's ports, or at the pod's address when apps come by themselves. */
function podListeners(address: string, capture: ProxyOptions['capture']): ProxyListeners {
  const tunnel = { address, port: TUNNEL_PORT };
  if (capture === 'explicit') return { explicit: { address, port: OUTBOUND_PORT }, inboundPorts: { address }, tunnel };
  return { outbound: { address: '', port: OUTBOUND_PORT }, inbound: { address: '', port: INBOUND_PORT }, tunnel };
}

function adminTask(host: string, port: number, dataPath: Sidecar, config: Watch<ProxyConfig>, log: Logger): Task {
  const workload = (): WorkloadLabels | undefined => {
    const resource = config.current()?.get('workload');
    return resource?.type === 'workload' ? resource.labels : undefined;
  };
  let metrics: Promise<ProcessMetrics> | undefined;
  let traffic: Iterable<TrafficSeries> = [];
  const page = async (): Promise<AdminReply> => {
    metrics ??= exposition({ workload, traffic: () => traffic });
    const { contentType, text } = await metrics;
    traffic = await dataPath.traffic();
    return { status: 200, contentType, body: await text() };
  };
  const routes: AdminRoute[] = [
    {
      path: '/ready',
      public: true,
      handle: () =>
        dataPath.ready.current() === true
          ? textReply('ready')
          : textReply('not ready: no configuration or no certificate yet', 503),
    },
    { path: '/metrics', public: true, handle: page },
    {
      path: '/config_dump',
      async handle() {
        const [state, ...more] = await dataPath.describe();
        const resources = [...(config.current()?.values() ?? [])];
        return jsonReply({ state, ...(more.length > 0 && { otherWorkers: more }), resources });
      },
    },
    { path: '/traffic', handle: async () => jsonReply(trafficReport(workload(), await dataPath.traffic())) },
  ];
  return (stop) => serveAdmin({ host, port, routes, log }, stop);
}

/** Loaded when somebody first asks: prom-client costs 14 MB, and sidecars that nobody scrapes are many. */
async function exposition(source: TrafficSource): Promise<ProcessMetrics> {
  const [{ processMetrics }, { registerTrafficMetrics }] = await Promise.all([
    import('../telemetry/metrics.ts'),
    import('../telemetry/traffic-metrics.ts'),
  ]);
  const metrics = processMetrics();
  registerTrafficMetrics(metrics.registry, source);
  return metrics;
}

/** Says once on standard output that traffic is served. */
function announce(dataPath: Sidecar): Task {
  return async (stop) => {
    try {
      await until(dataPath.ready, (ready) => ready, stop);
      console.log('proxy ready');
      await until(dataPath.ready, () => false, stop);
    } catch (error) {
      if (!stop.aborted) throw error;
    }
  };
}
