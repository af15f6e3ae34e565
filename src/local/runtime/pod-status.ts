import { findCondition, timestamp } from '../controllers/conditions.ts';
import type { Condition, ContainerStatus, Pod, PodStatus } from '../controllers/objects.ts';

/** Everything that a kubelet knows of a pod when it writes its status. */
export interface PodView {
  readonly pod: Pod;
  readonly nowMs: number;
  readonly startTime: string;
  readonly hostAddress: string;
  /** Empty until there is a sandbox. */
  readonly address: string;
  readonly init: readonly ContainerView[];
  readonly containers: readonly ContainerView[];
  /** Why the sidecar is not ready; undefined when it is, or when there is none. */
  readonly sidecarNotReady: string | undefined;
  /** Ended by something else than its containers. */
  readonly failure?: { readonly reason: string; readonly message: string };
}

export interface ContainerView {
  readonly status: ContainerStatus;
  /** Will not be started again. */
  readonly done: boolean;
}

/** The status of a pod as a kubelet writes it. Conditions of others (readiness gates) are kept. */
export function podStatus(view: PodView): PodStatus {
  const { pod, init, containers, address, startTime, hostAddress, failure } = view;
  const phase = phaseOf(view);
  return {
    ...(pod.status?.observedGeneration === undefined ? {} : { observedGeneration: pod.metadata.generation ?? 1 }),
    phase,
    conditions: conditionsOf(view, phase),
    ...(failure === undefined ? {} : failure),
    hostIP: hostAddress,
    hostIPs: [{ ip: hostAddress }],
    ...(address === '' ? {} : { podIP: address, podIPs: [{ ip: address }] }),
    startTime,
    ...(init.length === 0 ? {} : { initContainerStatuses: init.map((c) => c.status) }),
    containerStatuses: containers.map((c) => c.status),
    qosClass: pod.status?.qosClass ?? 'BestEffort',
  };
}

export function phaseOf({ init, containers, failure }: PodView): NonNullable<PodStatus['phase']> {
  if (failure !== undefined) return 'Failed';
  if (init.some((c) => c.done && !succeeded(c))) return 'Failed';
  if (!init.every(passed)) return 'Pending';
  if (containers.length > 0 && containers.every((c) => c.done)) {
    return containers.every(succeeded) ? 'Succeeded' : 'Failed';
  }
  const fresh = containers.some(
    (c) => c.status.state.waiting !== undefined && c.status.lastState.terminated === undefined,
  );
  return fresh ? 'Pending' : 'Running';
}

function succeeded({ status }: ContainerView): boolean {
  return status.state.terminated?.exitCode === 0;
}

/** Whether the containers after this init container may start: it has succeeded, or serves on as a sidecar. */
function passed(view: ContainerView): boolean {
  return succeeded(view) || view.status.started;
}

function conditionsOf(view: PodView, phase: PodStatus['phase']): Condition[] {
  const { pod, init, containers, address, sidecarNotReady } = view;
  const finished = phase === 'Succeeded' || phase === 'Failed';
  const incomplete = init.filter((c) => !passed(c)).map((c) => c.status.name);
  const unready = containers.filter((c) => !c.status.ready).map((c) => c.status.name);
  const initialized: Verdict =
    incomplete.length === 0
      ? phase === 'Succeeded'
        ? { ok: true, reason: 'PodCompleted' }
        : { ok: true }
      : {
          ok: false,
          reason: 'ContainersNotInitialized',
          message: `containers with incomplete status: [${incomplete.join(' ')}]`,
        };
  const ready = readiness(phase, unready, sidecarNotReady);
  const gates = (pod.spec.readinessGates ?? []).filter(
    (gate) => findCondition(pod.status?.conditions, gate.conditionType)?.status !== 'True',
  );
  const open: Verdict =
    ready.ok && gates.length > 0
      ? {
          ok: false,
          reason: 'ReadinessGatesNotReady',
          message: `corresponding condition of pod readiness gate "${gates[0]?.conditionType}" does not exist.`,
        }
      : ready;
  const own: [string, Verdict][] = [
    ['PodReadyToStartContainers', { ok: address !== '' && !finished }],
    ['Initialized', initialized],
    ['Ready', open],
    ['ContainersReady', ready],
    ['PodScheduled', { ok: true }],
  ];
  const foreign = (pod.status?.conditions ?? []).filter((c) => !own.some(([type]) => type === c.type));
  return [...own.map(([type, verdict]) => condition(type, verdict, view)), ...foreign];
}

interface Verdict {
  readonly ok: boolean;
  readonly reason?: string;
  readonly message?: string;
}

function readiness(
  phase: PodStatus['phase'],
  unready: readonly string[],
  sidecarNotReady: string | undefined,
): Verdict {
  if (phase === 'Succeeded') return { ok: false, reason: 'PodCompleted' };
  if (phase === 'Failed') return { ok: false, reason: 'PodFailed' };
  if (unready.length > 0) {
    return {
      ok: false,
      reason: 'ContainersNotReady',
      message: `containers with unready status: [${unready.join(' ')}]`,
    };
  }
  if (sidecarNotReady !== undefined) {
    return { ok: false, reason: 'SidecarNotReady', message: `the pod's sidecar is not ready: ${sidecarNotReady}` };
  }
  return { ok: true };
}

function condition(type: string, { ok, reason, message }: Verdict, { pod, nowMs }: PodView): Condition {
  const status = ok ? 'True' : 'False';
  const previous = findCondition(pod.status?.conditions, type);
  const since = previous?.status === status ? previous.lastTransitionTime : undefined;
  return {
    type,
    status,
    ...(previous?.observedGeneration === undefined ? {} : { observedGeneration: previous.observedGeneration }),
    ...(reason === undefined ? {} : { reason }),
    ...(message === undefined ? {} : { message }),
    lastProbeTime: null,
    lastTransitionTime: since ?? timestamp(nowMs),
  };
}
