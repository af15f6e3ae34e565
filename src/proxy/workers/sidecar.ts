import { runAll } from '../../base/run-all.ts';
import { until, WatchSource, type Watch } from '../../base/watch.ts';
import type { ProxyConfig } from '../../mesh/resources.ts';
import type { TrafficSeries } from '../../mesh/traffic.ts';
import { createProxy, randomInstance } from '../assemble.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import type { ProxyListeners, ProxyOptions, ProxyState } from '../options.ts';
import { WorkerGroup, type WorkerThread } from './group.ts';
import type { WorkerSetup } from './messages.ts';

/** The data path of a sidecar, in this thread or in several. */
export interface Sidecar {
  readonly ready: Watch<boolean>;
  /** Serves until aborted, then drains. @throws Error when a listener cannot be opened */
  run(signal: AbortSignal): Promise<void>;
  /** Why the newest configuration was refused; undefined when it runs. */
  refused(): string | undefined;
  /** Of all event loops, added up. */
  traffic(): Promise<Iterable<TrafficSeries>>;
  /** One per event loop. */
  describe(): Promise<readonly ProxyState[]>;
}

export interface SidecarOptions extends ProxyOptions {
  /** Event loops. 1: everything in this thread, as it is cheapest. */
  readonly concurrency: number;
  /** Starts a thread that calls `runWorker`. */
  readonly startWorker: (setup: WorkerSetup) => WorkerThread;
}

/** @throws Error when several event loops are to share a port that the system is to choose */
export function createSidecar(options: SidecarOptions): Sidecar {
  return options.concurrency === 1 ? oneLoop(options) : severalLoops(options);
}

function oneLoop(options: ProxyOptions): Sidecar {
  const proxy = createProxy(options);
  return {
    ready: proxy.ready,
    run: (signal) => proxy.run(signal),
    refused: () => proxy.describe().config.refused,
    traffic: () => Promise.resolve(proxy.traffic()),
    describe: () => Promise.resolve([proxy.describe()]),
  };
}

function severalLoops(options: SidecarOptions): Sidecar {
  const { concurrency, startWorker, config, credentials, lookup, clock, random, log } = options;
  if (portsOf(options.listeners).includes(0))
    throw new Error('several event loops cannot share port 0: name the ports');
  const instance = randomInstance();
  /** Listens nowhere: it compiles each configuration as the workers will, so that the stream gets its verdict at once. */
  const judge = createProxy({ ...options, listeners: {}, instance });
  const accepted = new WatchSource<ProxyConfig>();
  const setup = workerSetup(options, instance);
  const group = new WorkerGroup({
    count: concurrency,
    start: () => startWorker(setup),
    config: accepted,
    credentials,
    ...(lookup === undefined ? {} : { lookup }),
    stopMs: (options.limits?.drainMs ?? DEFAULT_LIMITS.drainMs) + 5_000,
    clock,
    random,
    log,
  });
  const refused = () => judge.describe().config.refused;
  const accept = async (signal: AbortSignal) => {
    await until(judge.ready, Boolean, signal); // now it hears of changes before we do
    const pass = () => {
      const newest = config.current();
      if (newest !== undefined && refused() === undefined) accepted.set(newest);
    };
    const stop = config.subscribe(pass);
    pass();
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true })).finally(stop);
  };
  return {
    ready: group.ready,
    run: (signal) => runAll([(stop) => judge.run(stop), accept, (stop) => group.run(stop)], signal),
    refused,
    traffic: () => group.traffic(),
    describe: () => group.describe(),
  };
}

function workerSetup(options: SidecarOptions, instance: string): WorkerSetup {
  const { listeners, appAddress, podAddresses, tunnelPort, forbidden, metrics, reservedPorts, lookup } = options;
  return {
    instance,
    lookUp: lookup !== undefined,
    listeners,
    ...(appAddress !== undefined && { appAddress }),
    ...(podAddresses !== undefined && { podAddresses }),
    ...(tunnelPort !== undefined && { tunnelPort }),
    ...(forbidden !== undefined && { forbidden }),
    ...(metrics !== undefined && { metrics }),
    ...(reservedPorts !== undefined && { reservedPorts }),
  };
}

function portsOf({ outbound, explicit, forward = [], inbound, tunnel }: ProxyListeners): number[] {
  return [outbound, explicit, ...forward, inbound, tunnel].flatMap((at) => (at === undefined ? [] : [at.port]));
}
