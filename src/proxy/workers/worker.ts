import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import { WatchSource } from '../../base/watch.ts';
import type { Credentials } from '../../mesh/credentials.ts';
import type { ProxyConfig } from '../../mesh/resources.ts';
import { createProxy } from '../assemble.ts';
import type { Destination } from '../destination.ts';
import type { FromWorker, ToWorker, WorkerSetup } from './messages.ts';

/** The worker's end of the line to the main thread. */
export interface WorkerPort {
  postMessage(message: FromWorker): void;
  on(event: 'message', listener: (message: ToWorker) => void): unknown;
}

/**
 * One of several data paths of a sidecar, in a thread of its own: listens at the same ports as the others, and gets
 * configuration, certificates and the answers of the control plane from the main thread.
 * Resolves when it was told to stop and has drained.
 * @throws Error when a listener cannot be opened
 */
export async function runWorker(
  port: WorkerPort,
  setup: WorkerSetup,
  { clock, random, log }: { readonly clock: Clock; readonly random: Random; readonly log: Logger },
): Promise<void> {
  const stop = new AbortController();
  const config = new WatchSource<ProxyConfig>();
  const credentials = new WatchSource<Credentials>();
  const questions = new Map<number, () => void>();
  const { lookUp, ...options } = setup;
  let asked = 0;
  const lookup = (destination: Destination) =>
    new Promise<void>((resolve) => {
      questions.set(++asked, resolve);
      port.postMessage({ type: 'lookUp', question: asked, destination });
    });
  const proxy = createProxy({
    ...options,
    reusePort: true,
    config,
    credentials,
    ...(lookUp ? { lookup } : {}),
    clock,
    random,
    log,
  });
  proxy.ready.subscribe(() => port.postMessage({ type: 'ready', ready: proxy.ready.current() === true }));
  port.on('message', (message) => {
    switch (message.type) {
      case 'config':
        return config.set(changed(config.current(), message));
      case 'credentials':
        return credentials.set(message.credentials);
      case 'lookedUp':
        questions.get(message.question)?.();
        return void questions.delete(message.question);
      case 'report':
        return port.postMessage({ type: 'report', state: proxy.describe(), series: [...proxy.traffic()] });
      case 'stop':
        return stop.abort(new Error('the sidecar stops'));
    }
  });
  await proxy.run(stop.signal);
  port.postMessage({ type: 'report', state: proxy.describe(), series: [...proxy.traffic()] }); // what the drain counted
}

function changed(config: ProxyConfig | undefined, { set, removed }: ToWorker & { type: 'config' }): ProxyConfig {
  const next = new Map(config);
  for (const key of removed) next.delete(key);
  for (const resource of set) next.set(resource.key, resource);
  return next;
}
