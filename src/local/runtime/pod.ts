import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { INJECTED } from '../../spec/names.ts';
import { timestamp } from '../controllers/conditions.ts';
import type { EventRecorder, EventType } from '../controllers/events.ts';
import type { Pod } from '../controllers/objects.ts';
import { PodStreamError } from '../pod-streams.ts';
import type { ContainerRunner } from './container.ts';
import type { Sandbox } from './isolation.ts';
import { POD_MARK, type Launcher } from './launch.ts';
import type { RuntimeOptions } from './options.ts';
import { PodContainers } from './pod-containers.ts';
import { podStatus, type PodView } from './pod-status.ts';
import { StatusWriter } from './status-writer.ts';
import { killMarked } from './stragglers.ts';
import { podVolumes, type PodVolumes } from './volumes.ts';

/** How long the app waits for its sidecar to be ready; then it starts anyway, unready. */
const SIDECAR_WAIT_MS = 30_000;
/** The sidecar ends after the app; it gets this long even when the pod's grace period is over, and never longer. */
const SIDECAR_GRACE_MS = 5_000;
const REFRESH_MS = 30_000;
/** Without a readiness probe an app is ready before it listens. */
const ADVICE_PAUSES_MS = [100, 1000, 5000, 15_000];

/** One pod on this node, from its binding to its end. */
export class PodRunner {
  readonly uid: string;
  readonly folder: string;
  readonly #options: RuntimeOptions;
  readonly #events: EventRecorder;
  readonly #meshed: boolean;
  readonly #startTime: string;
  readonly #stop = new AbortController();
  readonly #status: StatusWriter;
  readonly #changes = new Set<() => void>();
  readonly containers: PodContainers;
  #pod: Pod;
  #launcher: Launcher | undefined;
  #deadlineMs: number | undefined;
  #failure: { reason: string; message: string } | undefined;
  #silent = false;

  constructor(pod: Pod, options: RuntimeOptions, events: EventRecorder) {
    this.#pod = pod;
    this.uid = pod.metadata.uid ?? '';
    this.folder = join(options.run.folder, 'pods', this.uid);
    this.#options = options;
    this.#events = events;
    this.#meshed = pod.metadata.annotations?.[INJECTED] === 'true' && options.sidecar !== undefined;
    this.#startTime = timestamp(options.clock.now());
    this.#status = new StatusWriter({ ...options, pod, status: (stored) => podStatus(this.#view(stored)) });
    this.containers = new PodContainers({
      options,
      pod,
      meshed: this.#meshed,
      launcher: () => this.#launcher,
      onChange: () => this.#changed(),
      event: (type, reason, message, fieldPath) => this.#event(type, reason, message, fieldPath),
    });
  }

  get pod(): Pod {
    return this.#pod;
  }

  /** Whether the sidecar serves; undefined for a pod without one. */
  get sidecarReady(): boolean | undefined {
    return this.containers.sidecar?.ready;
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
    await this.#status.settled();
  }

  async #runContainers(): Promise<void> {
    const { init, main, sidecar } = this.containers;
    const added = sidecar === undefined || init.includes(sidecar) ? undefined : sidecar;
    const addedEnd = added?.run();
    void this.#enforceDeadline();
    const serving = (await this.#sidecarReady(added)) ? await this.#runInit() : [];
    if (!this.#stop.signal.aborted && init.every((r) => r.started || r.state.terminated?.exitCode === 0)) {
      void this.#advise();
      await Promise.all(main.filter((r) => r !== added).map((runner) => runner.run()));
    }
    // in the reverse order of their start; the app is gone, so nobody needs them any more
    for (const { runner, end } of serving.reverse()) {
      runner.terminate(runner === sidecar ? SIDECAR_GRACE_MS : this.#remainingMs());
      await end;
    }
    added?.terminate(SIDECAR_GRACE_MS);
    await addedEnd;
  }

  /** Runs init containers one after the other. Gives back those that serve on beside the app (`restartPolicy: Always`). */
  async #runInit(): Promise<{ readonly runner: ContainerRunner; readonly end: Promise<void> }[]> {
    const { init, sidecar } = this.containers;
    const serving: { runner: ContainerRunner; end: Promise<void> }[] = [];
    for (const runner of init) {
      if (this.#stop.signal.aborted) break;
      const end = runner.run();
      if (runner.container.restartPolicy === 'Always') {
        serving.push({ runner, end });
        await this.#until(() => (runner === sidecar ? runner.ready : runner.started) || runner.done);
      } else await end;
      if (runner.done && runner.state.terminated?.exitCode !== 0) break;
    }
    return serving;
  }

  /** Gives back whether to go on. */
  async #sidecarReady(sidecar: ContainerRunner | undefined): Promise<boolean> {
    if (sidecar === undefined) return !this.#stop.signal.aborted;
    const late = AbortSignal.timeout(SIDECAR_WAIT_MS);
    await this.#until(() => sidecar.ready, late);
    if (this.#stop.signal.aborted) return false;
    if (!sidecar.ready) {
      const why = this.containers.sidecarTrouble() ?? 'no answer';
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
    const { init, main, sidecar } = this.containers;
    const ends = [...main, ...init.filter((r) => r.container.restartPolicy !== 'Always')]; // the others end after them
    for (const runner of ends) if (runner !== sidecar) runner.terminate(this.#remainingMs());
  }

  /** Ends the pod because this process ends: its object stays as it is. */
  shutDown(graceSeconds: number): void {
    this.#silent = true;
    this.#status.silence();
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
    await this.#until(() => this.containers.main.every((r) => r.ready));
    for (const pauseMs of ADVICE_PAUSES_MS) {
      await this.#options.clock.sleep(pauseMs, this.#stop.signal).catch(() => {});
      if (this.#stop.signal.aborted) return;
      const groups = this.containers.main.flatMap((r) => r.pid ?? []);
      const advice = advise.call(this.#launcher?.sandbox, groups);
      if (advice === undefined) continue;
      return this.#event('Warning', 'ListensEverywhere', advice);
    }
  }

  /** A connection to a port of the app, or to the sidecar's admin port. */
  async forward(port: number, signal: AbortSignal): Promise<Duplex> {
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

  #view(pod: Pod): PodView {
    const view = (runner: ContainerRunner) => ({ status: runner.status(), done: runner.done });
    const sandbox = this.#launcher?.sandbox;
    const base = {
      pod,
      nowMs: this.#options.clock.now(),
      startTime: this.#startTime,
      hostAddress: sandbox?.hostAddress ?? '127.0.0.1',
      address: sandbox?.publishedAddress ?? '',
      init: this.containers.init.map(view),
      containers: this.containers.main.map(view),
      sidecarNotReady: this.containers.sidecarTrouble(),
    };
    return this.#failure === undefined ? base : { ...base, failure: this.#failure };
  }

  #changed(): void {
    for (const wake of [...this.#changes]) wake();
    this.#status.request();
  }

  /** Removes what is left on disk: logs of a pod that is gone. */
  async discard(): Promise<void> {
    for (const runner of this.containers.all()) runner.log?.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}
