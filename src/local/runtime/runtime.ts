import type { ApiEvent } from '../api-client.ts';
import { eventRecorder } from '../controllers/events.ts';
import type { Pod } from '../controllers/objects.ts';
import { isFinished } from '../controllers/pod-state.ts';
import { PODS } from '../controllers/resources.ts';
import { hasCode, isConflict, isNotFound } from '../controllers/work.ts';
import type { PodStreams } from '../pod-streams.ts';
import { keepNode, NODE_NAME } from './node.ts';
import type { RuntimeOptions } from './options.ts';
import { PodRunner } from './pod.ts';
import { podStreams } from './streams.ts';

export interface Runtime {
  /** Runs pods until aborted; then ends them all, at once and gently, and resolves when nothing is left. */
  run(signal: AbortSignal): Promise<void>;
  readonly streams: PodStreams;
  /** Meshed pods that run or are to run, by `namespace/name`: whether their sidecar is ready. */
  sidecars(): ReadonlyMap<string, boolean>;
  /** Kills the sidecar of a pod, which is started again as after any crash. Resolves when it has ended. */
  crashSidecar(namespace: string, name: string): Promise<void>;
}

interface Running {
  readonly runner: PodRunner;
  readonly end: Promise<void>;
  /** Nothing runs any more; logs may be left. */
  over: boolean;
}

/** When the mesh goes down, apps get this long. */
const SHUTDOWN_SECONDS = 3;

/** Runs the pods of the API server as processes of this machine: scheduler and kubelet of the one node `local`. */
export function createRuntime(options: RuntimeOptions): Runtime {
  const { client, clock, log } = options;
  const kubelet = eventRecorder({ client, clock, log, component: 'kubelet', host: NODE_NAME });
  const scheduler = eventRecorder({ client, clock, log, component: 'default-scheduler' });
  const runners = new Map<string, Running>();
  const binding = new Set<string>();

  /** Looks at one pod and does what has to be done now. Level-based: may be called at any time. */
  function look(pod: Pod): void {
    const uid = pod.metadata.uid ?? '';
    const known = runners.get(uid);
    if (known !== undefined) {
      known.runner.update(pod);
      if (pod.metadata.deletionTimestamp === undefined) return;
      if (known.over) void remove(pod);
      else known.runner.terminate(pod.metadata.deletionGracePeriodSeconds ?? 30);
      return;
    }
    if (pod.metadata.deletionTimestamp !== undefined) {
      if (isLocal(pod)) void remove(pod);
      return;
    }
    if (isFinished(pod)) return;
    if ((pod.spec.nodeName ?? '') === '') void bind(pod);
    else if (isLocal(pod)) start(pod);
  }

  function start(pod: Pod): void {
    const runner = new PodRunner(pod, options, kubelet);
    const end = runner.run().then(() => ended(runner));
    runners.set(runner.uid, { runner, end, over: false });
  }

  async function ended(runner: PodRunner): Promise<void> {
    const { namespace = '', name } = runner.pod.metadata;
    const stored = client.get(PODS, namespace, name);
    const known = runners.get(runner.uid);
    if (known !== undefined) known.over = true;
    if (stored?.metadata.uid === runner.uid && stored !== undefined) {
      if (stored.metadata.deletionTimestamp === undefined) return; // finished: its logs stay until it is deleted
      await remove(stored as Pod);
    }
    await forget(runner);
  }

  async function forget(runner: PodRunner): Promise<void> {
    runners.delete(runner.uid);
    await runner.discard();
  }

  async function bind(pod: Pod): Promise<void> {
    const uid = pod.metadata.uid ?? '';
    if (binding.has(uid)) return;
    binding.add(uid);
    const { namespace = '', name } = pod.metadata;
    try {
      await client.update(PODS, { ...pod, spec: { ...pod.spec, nodeName: NODE_NAME } }); // its event starts the pod
      scheduler.record(pod, 'Normal', 'Scheduled', `Successfully assigned ${namespace}/${name} to ${NODE_NAME}`);
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) log.warn('pod not bound', { pod: name, error: String(error) });
    } finally {
      binding.delete(uid);
    }
    const now = client.get(PODS, namespace, name) as Pod | undefined;
    if (now !== undefined && now.metadata.uid === uid && (now.spec.nodeName ?? '') === '')
      setTimeout(() => look(now), 50);
  }

  async function remove(pod: Pod): Promise<void> {
    const { namespace = '', name, uid = '' } = pod.metadata;
    try {
      await client.delete(PODS, namespace, name, { uid, gracePeriodSeconds: 0 });
    } catch (error) {
      if (!hasCode(error, 404) && !hasCode(error, 409))
        log.warn('pod not removed', { pod: name, error: String(error) });
    }
  }

  function onEvent({ type, object }: ApiEvent): void {
    const pod = object as Pod;
    if (type !== 'DELETED') return look(pod);
    const known = runners.get(pod.metadata.uid ?? '');
    if (known === undefined) return;
    known.runner.terminate(0); // removed by force, or by ourselves after its end
    void known.end.then(() => forget(known.runner));
  }

  const runnerOf = (namespace: string, name: string) => {
    const pod = client.get(PODS, namespace, name);
    return pod === undefined ? undefined : runners.get(pod.metadata.uid ?? '')?.runner;
  };

  return {
    sidecars() {
      const meshed = [...runners.values()].filter(({ runner, over }) => !over && runner.sidecarReady !== undefined);
      return new Map(
        meshed.map(({ runner }) => {
          const { namespace = '', name } = runner.pod.metadata;
          return [`${namespace}/${name}`, runner.sidecarReady === true];
        }),
      );
    },
    streams: podStreams(runnerOf),
    async crashSidecar(namespace, name) {
      const sidecar = runnerOf(namespace, name)?.containers.sidecar;
      if (sidecar === undefined) throw new Error(`pod ${namespace}/${name} runs no sidecar`);
      await sidecar.crash();
    },
    async run(signal) {
      const unwatch = client.watch(PODS, onEvent);
      for (const pod of client.list(PODS) as readonly Pod[]) look(pod);
      const node = keepNode(options, signal);
      await new Promise<void>((resolve) => {
        if (signal.aborted) return resolve();
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
      unwatch();
      for (const { runner } of runners.values()) runner.shutDown(SHUTDOWN_SECONDS);
      await Promise.all([...runners.values()].map(({ end }) => end));
      await node;
      await options.isolation.close();
    },
  };
}

function isLocal(pod: Pod): boolean {
  return pod.spec.nodeName === NODE_NAME;
}
