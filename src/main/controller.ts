import { randomUUID } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { type AdminRoute, textReply } from '../base/admin-route.ts';
import { systemClock as clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { runReconciler, type Reconciler } from '../base/reconcile.ts';
import { runAll, type Task } from '../base/run-all.ts';
import { until, WatchSource, type Watch } from '../base/watch.ts';
import type { HostPort } from '../cli/arguments.ts';
import type { ControllerOptions } from '../cli/controller.ts';
import { createCompiler } from '../compile/compile.ts';
import { adminRoutes } from '../control/admin-routes.ts';
import { identitySigner } from '../control/identity-signer.ts';
import { meshController, reportController, type Compiled } from '../control/mesh-controller.ts';
import { meshServer } from '../control/mesh-server.ts';
import { controlReadings } from '../control/readings.ts';
import { progressOf } from '../control/progress.ts';
import { CONVERT_PATH, VALIDATE_PATH, webhookServer } from '../control/webhook-server.ts';
import { discoveryServer } from '../discovery/server.ts';
import { createAuthority, type Authority } from '../identity/authority.ts';
import { readAuthorityState, writeAuthorityState } from '../identity/authority-state.ts';
import { credentialsClient } from '../identity/credentials-client.ts';
import { kubernetesClient, type KubernetesClient } from '../kubernetes/client.ts';
import { leaseElection } from '../kubernetes/lease.ts';
import { reporter } from '../kubernetes/reporter.ts';
import { secretValue } from '../kubernetes/secret.ts';
import { registerWebhooks, type WebhookTarget } from '../kubernetes/webhooks.ts';
import { snapshotInformer } from '../kubernetes/snapshot-informer.ts';
import { loadCrds } from '../spec/crds.ts';
import type { WorkloadRef } from '../mesh/resources.ts';
import { spiffeId } from '../mesh/spiffe.ts';
import { serveAdmin } from '../telemetry/admin-server.ts';
import { processMetrics, registerReadings } from '../telemetry/metrics.ts';
import { processLog } from './process-log.ts';
import { untilInterrupted } from './signals.ts';

/** `weft controller`: the control plane as a process. */
export async function controller(options: ControllerOptions): Promise<number> {
  const signal = untilInterrupted();
  const log = processLog(options.logLevel, 'controller');
  try {
    await runController(options, log, ({ host, port }) => console.log(`controller ready ${host}:${port}`), signal);
    return 0;
  } catch (error) {
    log.error('controller failed', { error: error instanceof Error ? error.message : String(error) });
    return 1;
  }
}

export interface RunControllerOptions extends Omit<ControllerOptions, 'logLevel'> {
  /**
   * Nobody else installs the CRDs: wait for them before anything is listed. Elsewhere the leader brings them up to date
   * while all replicas work.
   */
  readonly installsCrds?: boolean;
}

/**
 * From a Kubernetes API to the proxies, until aborted. Told as data flows.
 * @param ready called once, with the address that proxies connect to
 * @throws when the API server refuses what the controller needs, or an address is taken
 */
export async function runController(
  options: RunControllerOptions,
  log: Logger,
  ready: (address: HostPort) => void,
  signal: AbortSignal,
): Promise<void> {
  const random = Math.random;
  const kubernetes = await kubernetesClient(
    options.kubeconfig === undefined ? { inCluster: true } : { kubeconfigPath: options.kubeconfig },
  );
  const instance = `${hostname()}-${randomUUID().slice(0, 8)}`;
  const authority = await openAuthority(options, kubernetes, log, signal);

  // What was asked -> what was decided
  const informer = snapshotInformer({ api: kubernetes.api, clock, random, log });
  const compiled = new WatchSource<Compiled>();
  const configs = new WatchSource<Compiled['configs']>();
  const compileOptions = {
    trustDomain: options.trustDomain,
    clusterDomain: options.clusterDomain,
    defaultMode: options.policy,
  };
  const compiler = createCompiler(compileOptions);
  const publish = (next: Compiled) => {
    compiled.set(next);
    configs.set(next.configs);
  };
  const mesh = meshController({ source: informer.snapshots, compiler, publish, log });

  // -> the proxies
  const identity = spiffeId({
    trustDomain: options.trustDomain,
    namespace: options.namespace,
    serviceAccount: 'weft-controller',
  });
  const own = credentialsClient({
    sign: async (publicKey) => authority.sign({ identity, publicKey }),
    clock,
    random,
    trustDomain: options.trustDomain,
    log,
  });
  const podUid = ({ namespace, pod }: WorkloadRef) =>
    compiled.current()?.snapshot.pods.get(`${namespace}/${pod}`)?.metadata.uid;
  const discovery = discoveryServer({ configs, podUid, clock, log });
  const signer = identitySigner({
    authority,
    reviewToken: kubernetes.reviewToken,
    findPod: kubernetes.pod,
    clock,
    log,
  });
  const server = meshServer({ listen: options.listen, credentials: own.credentials, discovery, signer, clock, log });

  // -> the API server, which asks to convert and admit
  const webhookCredentials = credentialsClient({
    sign: async (publicKey) => authority.sign({ identity, publicKey, ...webhookNames(options) }),
    clock,
    random,
    trustDomain: options.trustDomain,
    log,
  });
  const webhooks = webhookServer({
    listen: options.webhookListen,
    credentials: webhookCredentials.credentials,
    compile: compileOptions,
    log,
  });
  const webhooksAt = new WatchSource<HostPort>();
  const crds = loadCrds();
  const register = async (stop: AbortSignal) => {
    const at = webhooksAt.current();
    if (at === undefined) return;
    await registerWebhooks(
      {
        api: kubernetes.api,
        crds,
        target: webhookTarget(options, at),
        convertPath: CONVERT_PATH,
        validatePath: VALIDATE_PATH,
        namespace: options.namespace,
        clock,
        log,
      },
      authority.trustBundle.current() ?? [],
      stop,
    );
  };

  // -> the users
  const lease = leaseElection({
    api: kubernetes.api,
    clock,
    random,
    log,
    namespace: options.namespace,
    name: 'weft-controller',
    identity: instance,
  });
  const writer = reporter({
    api: kubernetes.api,
    clock,
    log,
    leading: lease.leading,
    instance,
    seen: (object) => informer.conditions(object),
  });
  const report = reportController({
    compiled,
    also: [lease.leading, discovery.changes, writer.due],
    report: (newest, until) => writer.report({ ...newest, progress: progressOf(newest, discovery) }, until),
  });

  const metrics = processMetrics();
  registerReadings(metrics.registry, controlReadings(compiled, discovery));
  let port: number | undefined;
  const notReady = () =>
    compiled.current() === undefined
      ? 'not yet in step with the Kubernetes API'
      : port === undefined
        ? 'does not listen yet'
        : undefined;
  const metricsPage: AdminRoute = {
    path: '/metrics',
    public: true,
    handle: async () => ({ status: 200, contentType: metrics.contentType, body: await metrics.text() }),
  };
  const routes = [
    ...adminRoutes({ compiled, discovery, notReady }),
    metricsPage,
    namedPage('/identity', () => identity),
  ];

  const serve: Task = async (stop) => {
    await until(own.credentials, () => true, stop);
    await until(configs, () => true, stop); // who connects earlier would only wait
    const address = await server.open();
    port = address.port;
    log.info('controller ready', { address: `${address.host}:${address.port}` });
    ready(address);
    await aborted(stop);
    discovery.close();
    await server.close();
  };
  const registration: Reconciler = {
    name: 'webhooks',
    watches: [webhooksAt, lease.leading, authority.trustBundle],
    reconcile: (stop) => (lease.leading.current() === true ? register(stop) : Promise.resolve()),
  };
  const serveWebhooks: Task = async (stop) => {
    await until(webhookCredentials.credentials, () => true, stop);
    webhooksAt.set(await webhooks.open());
    await aborted(stop);
    await webhooks.close();
  };
  const listWhenThereAreKinds: Task = async (stop) => {
    if (options.installsCrds === true) {
      await until(webhooksAt, () => true, stop);
      await register(stop);
    }
    await informer.run(stop);
  };
  const reconcilers = [
    { reconciler: registration, settleMs: 0 },
    { reconciler: mesh, settleMs: 0 },
    { reconciler: report, settleMs: 200 }, // each sidecar that acknowledges asks for one
  ];
  try {
    await runAll(
      [
        listWhenThereAreKinds,
        (stop) => authority.run(stop),
        (stop) => own.run(stop),
        (stop) => webhookCredentials.run(stop),
        serveWebhooks,
        (stop) => lease.run(stop),
        ...reconcilers.map(
          ({ reconciler, settleMs }): Task =>
            (stop) =>
              runReconciler(reconciler, { clock, random, log, settleMs }, stop),
        ),
        (stop) => serveAdmin({ ...options.admin, routes, log }, stop),
        (stop) => writeBundle(options.bundleFile, authority.trustBundle, log, stop),
        serve,
      ],
      signal,
    );
  } finally {
    kubernetes.close();
  }
}

/** How the API server is told to reach the webhooks. */
function webhookTarget(
  { webhookUrl, webhookService, namespace }: Pick<ControllerOptions, 'webhookUrl' | 'webhookService' | 'namespace'>,
  { port }: HostPort,
): WebhookTarget {
  if (webhookUrl === undefined) return { service: { namespace, name: webhookService, port: 443 } };
  const url = new URL(webhookUrl);
  if (url.port === '0') url.port = String(port); // the port that it got, on this machine
  return { url: url.origin };
}

/** The names by which the API server knows the webhooks. */
function webhookNames({ webhookUrl, webhookService, namespace }: RunControllerOptions) {
  const service = `${webhookService}.${namespace}.svc`;
  if (webhookUrl === undefined) return { dnsNames: [service] };
  const host = new URL(webhookUrl).hostname.replace(/^\[|\]$/g, '');
  return isIP(host) === 0 ? { dnsNames: [host] } : { ipAddresses: [host] };
}

/** The authority with the root that all replicas share: it lies in the Secret `weft-root` of Weft's own namespace. */
async function openAuthority(
  { namespace, trustDomain }: Pick<ControllerOptions, 'namespace' | 'trustDomain'>,
  { api }: KubernetesClient,
  log: Logger,
  signal: AbortSignal,
): Promise<Authority> {
  const secret = secretValue({ api, namespace, name: 'weft-root' });
  const fresh = () => writeAuthorityState(createAuthority({ clock, trustDomain }).state.current()!);
  const state = readAuthorityState(await secret.readOrCreate(fresh, signal));
  const save = (next: typeof state) => secret.write(writeAuthorityState(next), signal);
  return createAuthority({ clock, trustDomain, state, save, log });
}

/** Keeps the trust bundle in a file, replaced as a whole, for proxies that start on this machine. */
async function writeBundle(
  file: string | undefined,
  bundle: Watch<readonly string[]>,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  if (file === undefined) return aborted(signal);
  const write = async () => {
    await writeFile(`${file}.new`, (bundle.current() ?? []).join('\n'));
    await rename(`${file}.new`, file);
  };
  await runReconciler(
    { name: 'bundle file', watches: [bundle], reconcile: write },
    { clock, random: Math.random, log },
    signal,
  );
}

function namedPage(path: string, text: () => string): AdminRoute {
  return { path, public: true, handle: () => textReply(text()) };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
