import type { AdminRoute } from '../../src/base/admin-route.ts';
import type { Clock } from '../../src/base/clock.ts';
import type { Diagnostic } from '../../src/base/diagnostic.ts';
import type { Logger } from '../../src/base/log.ts';
import type { Random } from '../../src/base/random.ts';
import { runReconciler } from '../../src/base/reconcile.ts';
import { until, WatchSource, type Watch } from '../../src/base/watch.ts';
import { createCompiler } from '../../src/compile/compile.ts';
import type { CompileOptions } from '../../src/compile/options.ts';
import { discoveryServer, type DiscoveryServer } from '../../src/discovery/server.ts';
import type { Authority } from '../../src/identity/authority.ts';
import { credentialsClient } from '../../src/identity/credentials-client.ts';
import type { ProxyConfig } from '../../src/mesh/resources.ts';
import type { SmiObject } from '../../src/spec/read.ts';
import type { Snapshot } from '../../src/spec/snapshot.ts';
import { adminRoutes } from '../../src/control/admin-routes.ts';
import { identitySigner, type IdentitySignerOptions } from '../../src/control/identity-signer.ts';
import { meshController, reportController, type Compiled } from '../../src/control/mesh-controller.ts';
import { meshServer } from '../../src/control/mesh-server.ts';
import { progressOf, type Progress } from '../../src/control/progress.ts';

export interface ControlPlaneOptions {
  /** What is asked, as it changes. */
  readonly source: Watch<Snapshot>;
  /** Its trust domain must be the authority's. */
  readonly compile?: CompileOptions;
  readonly authority: Authority;
  /** SPIFFE ID of this controller: what sidecars expect to find. */
  readonly identity: string;
  /** Where sidecars connect; port 0 is a free one. */
  readonly listen: { readonly host: string; readonly port: number };
  readonly reviewToken: IdentitySignerOptions['reviewToken'];
  readonly findPod: IdentitySignerOptions['findPod'];
  /** Writes status and events. Throwing: it is tried again. */
  readonly report: (report: ControlReport, signal: AbortSignal) => Promise<void>;
  /** Watches whose change makes a new report due: leadership. */
  readonly reportAlso?: readonly Pick<Watch<unknown>, 'subscribe'>[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** All that there is to tell users at one moment. */
export interface ControlReport {
  readonly snapshot: Snapshot;
  readonly diagnostics: readonly Diagnostic[];
  readonly progress: (object: SmiObject) => Progress | undefined;
}

export interface ControlPlane {
  /** Where it listens, once it does. */
  readonly address: Watch<{ readonly host: string; readonly port: number }>;
  /** The newest result. */
  readonly compiled: Watch<Compiled>;
  readonly discovery: DiscoveryServer;
  readonly adminRoutes: readonly AdminRoute[];
  /** Serves until aborted. @throws Error when the port is taken */
  run(signal: AbortSignal): Promise<void>;
}

/** Changes within this time share one compile: an apply of many objects arrives as many events. */
const COMPILE_SETTLE_MS = 10;
/** Acknowledgements of a whole mesh trickle in; status need not follow each. */
const REPORT_SETTLE_MS = 250;

/** The controller without Kubernetes: snapshots in, configuration and certificates out to sidecars, reports out. */
export function controlPlane(options: ControlPlaneOptions): ControlPlane {
  const { authority, clock, random, log } = options;
  const compiled = new WatchSource<Compiled>();
  const configs = new WatchSource<ReadonlyMap<string, ProxyConfig>>();
  const address = new WatchSource<{ readonly host: string; readonly port: number }>();
  const discovery = discoveryServer({ configs, clock, log: log.with({ part: 'discovery' }) });
  const own = credentialsClient({
    sign: (publicKey) => Promise.resolve(authority.sign({ identity: options.identity, publicKey })),
    trustDomain: authority.trustDomain,
    clock,
    random,
    log,
  });
  const server = meshServer({
    listen: options.listen,
    credentials: own.credentials,
    discovery,
    signer: identitySigner({ ...options, log: log.with({ part: 'identity' }) }),
    clock,
    log,
  });
  const mesh = meshController({
    source: options.source,
    compiler: createCompiler(options.compile),
    publish(result) {
      configs.set(result.configs);
      compiled.set(result);
    },
    log,
  });
  const reports = reportController({
    compiled,
    also: [discovery.changes, ...(options.reportAlso ?? [])],
    report: (newest, signal) => options.report({ ...newest, progress: progressOf(newest, discovery) }, signal),
  });

  async function run(signal: AbortSignal): Promise<void> {
    const stop = new AbortController();
    const both = AbortSignal.any([signal, stop.signal]);
    const running = [
      own.run(both),
      authority.run(both),
      runReconciler(mesh, { clock, random, log, settleMs: COMPILE_SETTLE_MS }, both),
      runReconciler(reports, { clock, random, log, settleMs: REPORT_SETTLE_MS }, both),
    ];
    try {
      await until(own.credentials, () => true, both);
      address.set(await server.open());
      await Promise.race([aborted(both), ...running]);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      stop.abort();
      discovery.close();
      await server.close();
      await Promise.all(running);
    }
  }

  const notReady = () =>
    compiled.current() === undefined
      ? 'the objects of the cluster have not been read yet'
      : address.current() === undefined
        ? 'the server for sidecars does not listen yet'
        : undefined;
  const routes = adminRoutes({ compiled, discovery, notReady });
  return { address, compiled, discovery, adminRoutes: routes, run };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
