import type { TestContext } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import type { LogFields, Logger } from '../../src/base/log.ts';
import { seeded } from '../../src/base/random.ts';
import { type KubernetesClient, kubernetesClient } from '../../src/kubernetes/client.ts';
import { pathOf, watchedKinds } from '../../src/kubernetes/kinds.ts';
import { FakeApiServer } from './fake-api-server.ts';

/** An API server with all kinds installed, a client of it, and a signal that ends with the test. */
export async function setup(t: TestContext) {
  const server = await new FakeApiServer().start();
  for (const watched of watchedKinds()) server.collections.add(pathOf(watched));
  const client: KubernetesClient = await kubernetesClient({ kubeconfigText: server.kubeconfig });
  const ending = new AbortController();
  const running: Promise<unknown>[] = [];
  const log = new RecordingLog();
  t.after(async () => {
    ending.abort(new Error('the test is over'));
    await Promise.all(running);
    client.close();
    await server.stop();
  });
  const common = { api: client.api, clock: systemClock, random: seeded(1), log };
  /** Runs something until the end of the test, which waits for it. */
  const run = (work: (signal: AbortSignal) => Promise<unknown>) => running.push(work(ending.signal));
  return { server, client, log, common, run, signal: ending.signal };
}

export class RecordingLog implements Logger {
  readonly lines: { readonly level: string; readonly message: string; readonly fields: LogFields }[] = [];
  debug = this.#at('debug');
  info = this.#at('info');
  warn = this.#at('warn');
  error = this.#at('error');
  with(): Logger {
    return this;
  }
  count(message: string, kind?: string): number {
    return this.lines.filter((l) => l.message === message && (kind === undefined || l.fields['kind'] === kind)).length;
  }
  #at(level: string) {
    return (message: string, fields: LogFields = {}) => void this.lines.push({ level, message, fields });
  }
}

/** Waits until `holds` does; gives up long after anything that works would have happened. */
export async function eventually(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries += 1) {
    if (tries > 2_000) throw new Error(`never came true: ${holds.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

export function service(name: string, namespace = 'shop') {
  return {
    path: `/api/v1/namespaces/${namespace}/services/${name}`,
    object: { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace }, spec: { ports: [{ port: 80 }] } },
  };
}

export function split(name: string, ...weights: unknown[]) {
  const backends = weights.map((weight, i) => ({ service: `${name}-v${i + 1}`, weight }));
  return {
    path: `/apis/split.smi-spec.io/v1alpha4/namespaces/shop/trafficsplits/${name}`,
    object: {
      apiVersion: 'split.smi-spec.io/v1alpha4',
      kind: 'TrafficSplit',
      metadata: { name, namespace: 'shop' },
      spec: { service: name, backends },
    },
  };
}
