import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { EventRecorder, EventType } from '../controllers/events.ts';
import type { Container, Pod } from '../controllers/objects.ts';
import { timestamp } from '../controllers/conditions.ts';
import { PODS } from '../controllers/resources.ts';
import { isConflict, isNotFound, putStatus } from '../controllers/work.ts';
import type { ExecOptions, ExecSession } from '../pod-streams.ts';
import { PodStreamError } from '../pod-streams.ts';
import { INJECTED } from '../../spec/names.ts';
import type { ChildSpec } from './child.ts';
import { ContainerRunner, type ContainerHost, type RestartPolicy } from './container.ts';
import { execIn } from './exec.ts';
import type { Sandbox } from './isolation.ts';
import { launchContainer, launchSidecar, POD_MARK, type Launched, type Launcher } from './launch.ts';
import { processesOf } from './listeners.ts';
import { SIDECAR_NAME, type RuntimeOptions } from './options.ts';
import { phaseOf, podStatus, type PodView } from './pod-status.ts';
import { killMarked } from './stragglers.ts';
import { podVolumes, type PodVolumes } from './volumes.ts';

/** How long the app waits for its sidecar to be ready; then it starts anyway, unready. */
const SIDECAR_WAIT_MS = 30_000;
/** The sidecar ends after the app; it gets this long even when the pod's grace period is over, and never longer. */
const SIDECAR_GRACE_MS = 5_000;
const REFRESH_MS = 30_000;
/** Without a readiness probe an app is ready before it listens. */
const ADVICE_PAUSES_MS = [100, 1000, 5000, 15_000];
const ADMIN_PORT = 15020;

/** One pod on this node, from its binding to its end. */
export class PodRunner {
  readonly uid: string;
  readonly folder: string;
  readonly #options: RuntimeOptions;
  readonly #events: EventRecorder;
  readonly #meshed: boolean;
  readonly #startTime: string;
  readonly #stop = new AbortController();
  readonly #specs = new Map<ContainerRunner, ChildSpec>();
  readonly init: ContainerRunner[] = [];
  readonly containers: ContainerRunner[] = [];
  sidecar: ContainerRunner | undefined;
  #pod: Pod;
  #launcher: Launcher | undefined;
  #deadlineMs: number | undefined;
  #failure: { reason: string; message: string } | undefined;
  #changes = new Set<() => void>();
  #writing: Promise<void> | undefined;
  #dirty = false;
  #silent = false;

  constructor(pod: Pod, options: RuntimeOptions, events: EventRecorder) {
    this.#pod = pod;
    this.uid = pod.metadata.uid ?? '';
    this.folder = join(options.run.folder, 'pods', this.uid);
    this.#options = options;
    this.#events = events;
    this.#meshed = pod.metadata.annotations?.[INJECTED] === 'true' && options.sidecar !== undefined;
    this.#startTime = timestamp(options.clock.now());
    const policy = pod.spec.restartPolicy ?? 'Always';
    for (const c of pod.spec.initContainers ?? [])
      this.init.push(this.#runner(c, initPolicy(c, policy), 'initContainers'));
    for (const c of pod.spec.containers) this.containers.push(this.#runner(c, policy, 'containers'));
    if (this.#meshed) this.sidecar = this.#ownSidecar();
  }

  get pod(): Pod {
    return this.#pod;
  }

  /** Runs the pod until its containers have ended for good, then leaves nothing but logs behind. Never rejects. */
  async run(): Promise<void> {
    const { log, isolation } = this.#options;
    let sandbox: Sandbox | undefined;
    const refreshing = new AbortController();
    try {
      await mkdir(this.folder, { recursive: true });
      const volumes = podVolumes({ ...this.#options, pod: this.#pod, folder: this.folder, meshed: this.#meshed });
      sandbox = await isolation.open({ pod: this.#pod, meshed: this.#meshed, folder: this.folder });
      this.#launcher = { options: this.#options, pod: this.#pod, folder: this.folder, sandbox, volumes };
      this.#changed();
      if (await this.#fill(volumes, sandbox)) {
        void this.#refresh(volumes, sandbox, refreshing.signal);
        await this.#runContainers();
      }
    } catch (error) {
      log.error('pod failed', { pod: this.#pod.metadata.name, error: String(error) });
      this.#failure = {
        reason: 'FailedCreatePodSandBox',
        message: error instanceof Error ? error.message : String(error),
      };
      this.#event('Warning', 'FailedCreatePodSandBox', this.#failure.message);
    }
    refreshing.abort();
    await killMarked(POD_MARK, this.uid);
    await sandbox?.close().catch((error: unknown) => log.warn('sandbox not closed', { error: String(error) }));
    this.#changed();
    await this.#writing;
  }

  async #runContainers(): Promise<void> {
    const sidecar = this.sidecar === undefined || this.init.includes(this.sidecar) ? undefined : this.sidecar;
    const sidecarEnd = sidecar?.run();
    const restarting: { runner: ContainerRunner; end: Promise<void> }[] = [];
    void this.#enforceDeadline();
    if (await this.#sidecarReady(sidecar)) {
      for (const runner of this.init) {
        if (this.#stop.signal.aborted) break;
        const end = runner.run();
        if (runner.container.restartPolicy === 'Always') {
          restarting.push({ runner, end });
          await this.#until(() => (runner === this.sidecar ? runner.ready : runner.started) || runner.done);
        } else await end;
        if (runner.done && runner.state.terminated?.exitCode !== 0) break;
      }
      if (!this.#stop.signal.aborted && this.init.every((r) => r.started || r.state.terminated?.exitCode === 0)) {
        void this.#advise();
        await Promise.all(this.containers.filter((r) => r !== sidecar).map((runner) => runner.run()));
      }
    }
    // in the reverse order of their start; the app is gone, so nobody needs them any more
    for (const { runner, end } of restarting.reverse()) {
      runner.terminate(runner === this.sidecar ? SIDECAR_GRACE_MS : this.#remainingMs());
      await end;
    }
    sidecar?.terminate(SIDECAR_GRACE_MS);
    await sidecarEnd;
  }

  /** Gives back whether to go on. */
  async #sidecarReady(sidecar: ContainerRunner | undefined): Promise<boolean> {
    if (sidecar === undefined) return !this.#stop.signal.aborted;
    const late = AbortSignal.timeout(SIDECAR_WAIT_MS);
    await this.#until(() => sidecar.ready, late);
    if (this.#stop.signal.aborted) return false;
    if (!sidecar.ready) {
      const why = this.#sidecarTrouble() ?? 'no answer';
      this.#event('Warning', 'SidecarNotReady', `starting the containers without a ready sidecar: ${why}`);
    }
    return true;
  }

  /** Ends the pod: containers get until `graceSeconds` from now. May be called again with less time. */
  terminate(graceSeconds: number): void {
    const deadlineMs = this.#options.clock.now() + graceSeconds * 1000;
    this.#deadlineMs = Math.min(this.#deadlineMs ?? Infinity, deadlineMs);
    this.#stop.abort();
    for (const wake of [...this.#changes]) wake();
    const native = this.init.filter((r) => r.container.restartPolicy === 'Always');
    for (const runner of [...this.containers, ...this.init]) {
      if (!native.includes(runner)) runner.terminate(this.#remainingMs());
    }
  }

  /** Ends the pod because this process ends: its object stays as it is. */
  shutDown(graceSeconds: number): void {
    this.#silent = true;
    this.terminate(graceSeconds);
  }

  /** A newer object of the same pod. */
  update(pod: Pod): void {
    this.#pod = pod;
  }

  async #enforceDeadline(): Promise<void> {
    const { activeDeadlineSeconds } = this.#pod.spec;
    if (activeDeadlineSeconds === undefined) return;
    await this.#options.clock.sleep(activeDeadlineSeconds * 1000, this.#stop.signal).catch(() => {});
    if (this.#stop.signal.aborted) return;
    const message = 'Pod was active on the node longer than the specified deadline';
    this.#failure = { reason: 'DeadlineExceeded', message };
    this.#event('Normal', 'DeadlineExceeded', message);
    this.terminate(this.#pod.spec.terminationGracePeriodSeconds ?? 30);
  }

  #remainingMs(): number {
    return Math.max(0, (this.#deadlineMs ?? Infinity) - this.#options.clock.now());
  }

  /** Writes the volumes; waits for what they refer to. Gives back false when the pod is ended meanwhile. */
  async #fill(volumes: PodVolumes, sandbox: Sandbox): Promise<boolean> {
    for (let pauseMs = 250; !this.#stop.signal.aborted; pauseMs = Math.min(10_000, pauseMs * 2)) {
      try {
        await volumes.fill({ app: sandbox.appAddress, host: sandbox.hostAddress });
        await sandbox.mount(volumes.mounts);
        return true;
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        this.#event('Warning', 'FailedMount', `MountVolume.SetUp failed: ${message}`);
        await this.#options.clock.sleep(pauseMs, this.#stop.signal).catch(() => {});
      }
    }
    return false;
  }

  /** Tokens age and ConfigMaps change. */
  async #refresh(volumes: PodVolumes, sandbox: Sandbox, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(REFRESH_MS, signal).catch(() => {});
      if (signal.aborted) return;
      await volumes.fill({ app: sandbox.appAddress, host: sandbox.hostAddress }).catch((error: unknown) => {
        log.warn('volumes not refreshed', { pod: this.#pod.metadata.name, error: String(error) });
      });
    }
  }

  /** Once the app is up: does it do what this isolation needs? */
  async #advise(): Promise<void> {
    const advise = this.#launcher?.sandbox.advise;
    if (advise === undefined) return;
    await this.#until(() => this.containers.every((r) => r.ready));
    for (const pauseMs of ADVICE_PAUSES_MS) {
      await this.#options.clock.sleep(pauseMs, this.#stop.signal).catch(() => {});
      if (this.#stop.signal.aborted) return;
      const groups = this.containers.flatMap((r) => r.pid ?? []);
      const advice = await advise.call(this.#launcher?.sandbox, await processesOf(groups));
      if (advice === undefined) continue;
      return this.#event('Warning', 'ListensEverywhere', advice);
    }
  }

  #runner(container: Container, policy: RestartPolicy, list: string): ContainerRunner {
    const previous = [
      ...(this.#pod.status?.initContainerStatuses ?? []),
      ...(this.#pod.status?.containerStatuses ?? []),
    ];
    const before = previous.find((s) => s.name === container.name);
    // it ran under an earlier process of ours: this run is a restart
    const restarts = before?.containerID === undefined ? 0 : before.restartCount + 1;
    let runs = restarts;
    if (container.name === SIDECAR_NAME && this.#meshed) {
      const own = sidecarContainer(container);
      this.sidecar = new ContainerRunner(
        own,
        'Always',
        this.#host(own, `spec.${list}{${own.name}}`, (l) => launchSidecar(l, runs++)),
        restarts,
      );
      return this.sidecar;
    }
    const start = (launcher: Launcher) => launchContainer(launcher, container, runs++);
    const runner = new ContainerRunner(
      container,
      policy,
      this.#host(container, `spec.${list}{${container.name}}`, start),
      restarts,
    );
    return runner;
  }

  #ownSidecar(): ContainerRunner {
    if (this.sidecar !== undefined) return this.sidecar; // the injector has put it into the spec
    const container = sidecarContainer({ name: SIDECAR_NAME });
    let runs = 0;
    return new ContainerRunner(
      container,
      'Always',
      this.#host(container, 'sidecar', (l) => launchSidecar(l, runs++)),
    );
  }

  #host(container: Container, fieldPath: string, start: (launcher: Launcher) => Promise<Launched>): ContainerHost {
    const { clock, restartBackoffMs = 10_000, maxRestartBackoffMs = 300_000 } = this.#options;
    const isSidecar = container.name === SIDECAR_NAME;
    const self = () => this.#all().find((runner) => runner.container === container);
    const address = () =>
      (isSidecar ? this.#launcher?.sandbox.publishedAddress : this.#launcher?.sandbox.appAddress) ?? '';
    return {
      clock,
      podName: `${this.#pod.metadata.name}_${this.#pod.metadata.namespace ?? ''}(${this.uid})`,
      restartBackoffMs: isSidecar ? Math.min(1000, restartBackoffMs) : restartBackoffMs,
      maxRestartBackoffMs: isSidecar ? Math.min(10_000, maxRestartBackoffMs) : maxRestartBackoffMs,
      ...(isSidecar ? { probeEagerMs: 100 } : {}),
      gracePeriodSeconds: this.#pod.spec.terminationGracePeriodSeconds ?? 30,
      start: async () => {
        if (this.#launcher === undefined) throw new Error('no sandbox');
        const launched = await start(this.#launcher);
        const runner = self();
        if (runner !== undefined) this.#specs.set(runner, launched.spec);
        return launched;
      },
      target: {
        container,
        sandbox: {
          get appAddress() {
            return address();
          },
          connect: (port, host, signal) => {
            const sandbox = this.#launcher?.sandbox;
            if (sandbox === undefined) return Promise.reject(new Error('no sandbox'));
            return sandbox.connect(port, isSidecar ? sandbox.publishedAddress : host, signal);
          },
        },
        exec: (command, signal) => this.#execQuietly(self(), command, signal),
      },
      onChange: () => this.#changed(),
      event: (type, reason, message) => this.#event(type, reason, message, fieldPath),
    };
  }

  #all(): ContainerRunner[] {
    return [...this.init, ...this.containers, ...(this.sidecar === undefined ? [] : [this.sidecar])];
  }

  /** The runner of a container by name; the sidecar too. */
  find(name: string): ContainerRunner | undefined {
    return this.#all().find((runner) => runner.container.name === name);
  }

  async #execQuietly(runner: ContainerRunner | undefined, command: readonly string[], signal: AbortSignal) {
    if (runner === undefined) throw new Error('the container does not run');
    const session = await this.exec(runner, { command, stdin: false, tty: false }, signal);
    let output = '';
    const collect = (chunk: Buffer) => {
      if (output.length < 10_240) output += chunk.toString('utf8');
    };
    session.stdout.on('data', collect);
    session.stderr.on('data', collect);
    return { code: (await session.exit).code, output };
  }

  /** Runs a command beside a container. @throws PodStreamError when it does not run */
  exec(
    runner: ContainerRunner,
    what: Pick<ExecOptions, 'command' | 'stdin' | 'tty'>,
    signal: AbortSignal,
  ): Promise<ExecSession> {
    const spec = this.#specs.get(runner);
    if (this.#launcher === undefined || spec === undefined || !runner.running) {
      throw new PodStreamError('InternalError', `container not running (${runner.container.name})`);
    }
    return execIn(this.#launcher, spec, what, signal);
  }

  /** A connection to a port of the app, or to the sidecar's admin port. */
  forward(port: number, signal: AbortSignal) {
    const sandbox = this.#launcher?.sandbox;
    if (sandbox === undefined) throw new PodStreamError('InternalError', 'the pod does not run');
    return sandbox.forward(port, signal);
  }

  #event(type: EventType, reason: string, message: string, fieldPath?: string): void {
    if (!this.#silent) this.#events.record(this.#pod, type, reason, message, fieldPath);
  }

  #until(holds: () => boolean, deadline?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!holds() && !this.#stop.signal.aborted && deadline?.aborted !== true) return;
        this.#changes.delete(look);
        deadline?.removeEventListener('abort', look);
        resolve();
      };
      this.#changes.add(look);
      deadline?.addEventListener('abort', look);
      look();
    });
  }

  #sidecarTrouble(): string | undefined {
    const { sidecar } = this;
    if (sidecar === undefined || sidecar.ready) return undefined;
    const { waiting, terminated } = sidecar.state;
    if (waiting !== undefined) return waiting.message ?? waiting.reason;
    if (terminated !== undefined) return `it ended with exit code ${terminated.exitCode}`;
    return sidecar.notReadyBecause === '' ? 'it is starting' : sidecar.notReadyBecause;
  }

  #view(pod: Pod): PodView {
    const view = (runner: ContainerRunner) => ({ status: runner.status(), done: runner.done });
    const sandbox = this.#launcher?.sandbox;
    const base = {
      pod,
      nowMs: this.#options.clock.now(),
      startTime: this.#startTime,
      hostAddress: sandbox?.hostAddress ?? '127.0.0.1',
      address: sandbox?.publishedAddress ?? '',
      init: this.init.map(view),
      containers: this.containers.map(view),
      sidecarNotReady: this.#sidecarTrouble(),
    };
    return this.#failure === undefined ? base : { ...base, failure: this.#failure };
  }

  /** Whether the pod has ended by itself. */
  get finished(): boolean {
    const phase = phaseOf(this.#view(this.#pod));
    return phase === 'Succeeded' || phase === 'Failed';
  }

  #changed(): void {
    for (const wake of [...this.#changes]) wake();
    this.#dirty = true;
    this.#writing ??= this.#write().finally(() => (this.#writing = undefined));
  }

  /** Writes the status until it is what it should be. Several changes of one moment share a write. */
  async #write(): Promise<void> {
    const { client, log } = this.#options;
    while (this.#dirty && !this.#silent) {
      await new Promise((resolve) => setImmediate(resolve));
      this.#dirty = false;
      const stored = client.get(PODS, this.#pod.metadata.namespace ?? '', this.#pod.metadata.name) as Pod | undefined;
      if (stored === undefined || stored.metadata.uid !== this.uid) return;
      try {
        await putStatus(client, PODS, stored, podStatus(this.#view(stored)));
      } catch (error) {
        if (isNotFound(error)) return;
        this.#dirty = true;
        if (isConflict(error)) continue;
        log.warn('pod status not written, will retry', { pod: this.#pod.metadata.name, error: String(error) });
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    }
  }

  /** Removes what is left on disk: logs of a pod that is gone. */
  async discard(): Promise<void> {
    for (const runner of this.#all()) runner.log?.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

function initPolicy(container: Container, policy: RestartPolicy): RestartPolicy {
  if (container.restartPolicy === 'Always') return 'Always';
  return policy === 'Never' ? 'Never' : 'OnFailure';
}

/** A sidecar's probe is always the same. */
function sidecarContainer(container: Container): Container {
  const readinessProbe = { httpGet: { path: '/ready', port: ADMIN_PORT }, periodSeconds: 1, failureThreshold: 2 };
  const { livenessProbe: _l, startupProbe: _s, lifecycle: _c, ...rest } = container;
  return { ...rest, readinessProbe };
}
