import { setTimeout as sleep } from 'node:timers/promises';
import type { Capabilities, Need } from './capabilities.ts';
import type { Kube } from './kube.ts';

/** Parts of a mesh that the suite stops and starts. */
export interface Controls {
  readonly controlPlane?: { stop(): Promise<void>; start(): Promise<void> };
  /** Ends the proxy of a pod; the mesh starts it again. Resolves when it has ended. */
  readonly restartProxy?: (namespace: string, pod: string) => Promise<void>;
}

/** What the capability file says about it, done through the Kubernetes API. */
export function controlsOf({ controlPlane, restartProxy }: Capabilities, kube: Kube, signal: AbortSignal): Controls {
  return {
    ...(controlPlane.length === 0 ? {} : { controlPlane: deployments(controlPlane, kube, signal) }),
    ...(restartProxy === undefined ? {} : { restartProxy: byCommand(restartProxy, kube, signal) }),
  };
}

/** Needs that these controls meet. */
export function metBy({ controlPlane, restartProxy }: Controls): readonly Need[] {
  return [
    ...(controlPlane === undefined ? [] : (['controlPlane'] as const)),
    ...(restartProxy === undefined ? [] : (['proxyRestart'] as const)),
  ];
}

const SCALED_WITHIN_MS = 120_000;

interface DeploymentView {
  readonly spec?: { readonly replicas?: number };
  readonly status?: { readonly replicas?: number; readonly readyReplicas?: number };
}

function deployments(names: readonly string[], kube: Kube, signal: AbortSignal) {
  const before = new Map<string, number>();
  const pathOf = (name: string) => {
    const [namespace = '', deployment = ''] = name.split('/');
    return `/apis/apps/v1/namespaces/${namespace}/deployments/${deployment}`;
  };
  const read = async (name: string) => {
    const reply = await kube.get(pathOf(name));
    if (reply.code !== 200) throw new Error(`the control plane's Deployment ${name}: ${reply.code}`);
    return reply.body as DeploymentView;
  };
  const scale = async (name: string, replicas: number) => {
    const change = { spec: { replicas } };
    const reply = await kube.request('PATCH', pathOf(name), change, 'application/merge-patch+json');
    if (reply.code >= 300) throw new Error(`the control plane's Deployment ${name} cannot be scaled: ${reply.code}`);
    const deadline = Date.now() + SCALED_WITHIN_MS;
    for (;;) {
      const { status = {} } = await read(name);
      const there = (replicas === 0 ? status.replicas : status.readyReplicas) ?? 0;
      if (there === replicas) return;
      if (Date.now() > deadline)
        throw new Error(`the control plane's Deployment ${name} has ${there} of ${replicas} replicas`);
      await sleep(500, undefined, { signal });
    }
  };
  return {
    async stop() {
      for (const name of names) {
        before.set(name, (await read(name)).spec?.replicas ?? 1);
        await scale(name, 0);
      }
    },
    async start() {
      for (const name of names) await scale(name, before.get(name) ?? 1);
    },
  };
}

const COMMAND_WITHIN_MS = 15_000;

function byCommand(
  { container, command }: NonNullable<Capabilities['restartProxy']>,
  kube: Kube,
  signal: AbortSignal,
): (namespace: string, pod: string) => Promise<void> {
  return async (namespace, pod) => {
    const ended = Promise.withResolvers<string>();
    const session = await kube.exec(namespace, pod, command, ended.resolve, container);
    await Promise.race([ended.promise, sleep(COMMAND_WITHIN_MS, undefined, { signal })]);
    session.close();
  };
}
