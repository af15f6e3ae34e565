import type { Clock } from '../../base/clock.ts';
import type { Container, ContainerState, ContainerStatus, Handler } from '../controllers/objects.ts';
import { timestamp } from '../controllers/conditions.ts';
import type { Child, ChildExit } from './child.ts';
import { ContainerConfigError } from './config-error.ts';
import { runProbes } from './container-probes.ts';
import { duration, lost } from './container-state.ts';
import type { LogFile } from './log-file.ts';
import { runHandler, type ProbeTarget } from './probe.ts';

export type RestartPolicy = 'Always' | 'OnFailure' | 'Never';

/** What a container asks of its pod. */
export interface ContainerHost {
  readonly clock: Clock;
  readonly podName: string;
  readonly restartBackoffMs: number;
  readonly maxRestartBackoffMs: number;
  readonly probeEagerMs?: number;
  readonly gracePeriodSeconds: number;
  /** Starts the container's command. @throws ContainerConfigError */
  start(): Promise<{ readonly child: Child; readonly log: LogFile }>;
  readonly target: ProbeTarget;
  /** State or readiness changed. */
  onChange(): void;
  /** A run has ended. */
  onEnd(exit: ChildExit, log: LogFile): void;
  event(type: 'Normal' | 'Warning', reason: string, message: string): void;
}

/** A container that ran this long has recovered: its next restart does not wait. */
const RECOVERED_MS = 600_000;

/** One container: its process, run after run, with its state as a kubelet reports it. */
export class ContainerRunner {
  readonly container: Container;
  readonly #host: ContainerHost;
  readonly #policy: RestartPolicy;
  state: ContainerState = { waiting: { reason: 'ContainerCreating' } };
  lastState: ContainerState = {};
  ready = false;
  started = false;
  /** Whether it has ever been ready. */
  wasReady = false;
  restartCount: number;
  /** Ended and will not be started again. */
  done = false;
  log: LogFile | undefined;
  previousLog: LogFile | undefined;
  /** Why the last readiness probe failed. */
  notReadyBecause = '';
  #child: Child | undefined;
  #runs = 0;
  #failures = 0;
  #stopping: { deadlineMs: number } | undefined;
  #wakeKiller: (() => void) | undefined;
  readonly #stop = new AbortController();

  /** `before`: its status under an earlier process of ours, whose end was its end too. */
  constructor(container: Container, policy: RestartPolicy, host: ContainerHost, before?: ContainerStatus) {
    this.container = container;
    this.#policy = policy;
    this.#host = host;
    this.restartCount = before?.restartCount ?? 0;
    if (before?.containerID === undefined) return;
    const { running, terminated = lost(running?.startedAt, host.clock.now(), before.containerID) } = before.state;
    this.lastState = { terminated };
    if (policy !== 'Never') this.restartCount++;
    else if (running !== undefined) {
      this.state = { terminated };
      this.lastState = {};
      this.done = true;
    }
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get running(): boolean {
    return this.state.running !== undefined;
  }

  /** Kills this run as a crash would; the restart policy decides what follows. Resolves when it has ended. */
  async crash(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    child.kill('SIGKILL');
    await child.exit;
  }

  /** Runs until the container has ended for good. Never rejects. */
  async run(): Promise<void> {
    while (this.#stopping === undefined && !this.done) {
      const exit = await this.#runOnce();
      if (this.#stopping !== undefined || (exit !== undefined && !this.#restarts(exit))) break;
      await this.#backOff(exit === undefined);
    }
    this.done = true;
    this.ready = false;
    if (this.state.terminated === undefined && this.lastState.terminated !== undefined) {
      this.state = this.lastState;
      this.lastState = {};
    }
    this.#host.onChange();
  }

  #restarts(exit: ChildExit): boolean {
    return this.#policy === 'Always' || (this.#policy === 'OnFailure' && exit.code !== 0);
  }

  /** Undefined when it could not be started. */
  async #runOnce(): Promise<ChildExit | undefined> {
    const { clock } = this.#host;
    const { name } = this.container;
    let child: Child;
    try {
      const begun = await this.#host.start();
      child = begun.child;
      if (this.log !== undefined) this.previousLog = this.log;
      this.log = begun.log;
    } catch (error) {
      const reason = error instanceof ContainerConfigError ? error.reason : 'CreateContainerError';
      const message = error instanceof Error ? error.message : String(error);
      this.#host.event('Warning', 'Failed', `Error: ${message}`);
      this.#set({ waiting: { reason, message } });
      return undefined;
    }
    this.#child = child;
    this.#host.event('Normal', 'Created', `Container created`);
    this.#host.event('Normal', 'Started', `Container started`);
    if (this.#runs++ > 0) this.restartCount++;
    const startedMs = clock.now();
    const over = new AbortController();
    this.#set({ running: { startedAt: timestamp(startedMs) } });
    const probing = this.#afterStart(child, over.signal);
    if (this.#stopping !== undefined) void this.#kill(child); // asked while it started
    const exit = await child.exit;
    over.abort();
    this.#child = undefined;
    this.#wakeKiller?.();
    await probing;
    if (clock.now() - startedMs >= RECOVERED_MS) this.#failures = 0;
    this.log.close();
    this.ready = false;
    this.started = false;
    this.#set({ terminated: this.#terminated(exit, startedMs, name) });
    this.#host.onEnd(exit, this.log);
    return exit;
  }

  #terminated(exit: ChildExit, startedMs: number, name: string): NonNullable<ContainerState['terminated']> {
    return {
      exitCode: exit.code,
      reason: exit.code === 0 ? 'Completed' : 'Error',
      startedAt: timestamp(startedMs),
      finishedAt: timestamp(this.#host.clock.now()),
      containerID: this.#id(name),
    };
  }

  #id(name: string): string {
    return `weft://${this.#host.podName}/${name}/${this.restartCount}`;
  }

  async #afterStart(child: Child, signal: AbortSignal): Promise<void> {
    const { target, clock } = this.#host;
    const { postStart } = this.container.lifecycle ?? {};
    if (postStart !== undefined) {
      const failure = await this.#hook(postStart, signal);
      if (failure !== undefined && !signal.aborted) {
        this.#host.event('Warning', 'FailedPostStartHook', `PostStartHook failed: ${failure}`);
        child.kill('SIGKILL');
        return;
      }
    }
    const listener = {
      onStarted: () => {
        this.started = true;
        this.#host.onChange();
      },
      onReady: (ready: boolean) => {
        if (this.ready === ready || signal.aborted) return;
        this.ready = ready;
        this.wasReady ||= ready;
        this.#host.onChange();
      },
      onUnhealthy: (kind: string, graceSeconds: number | undefined) => {
        const { name } = this.container;
        this.#host.event('Normal', 'Killing', `Container ${name} failed ${kind} probe, will be restarted`);
        void this.#killWithin(child, (graceSeconds ?? this.#host.gracePeriodSeconds) * 1000, signal);
      },
      onFailure: (kind: string, message: string) => {
        if (kind === 'Readiness') this.notReadyBecause = message;
        this.#host.event('Warning', 'Unhealthy', `${kind} probe failed: ${message}`);
      },
    };
    await runProbes(this.container, target, listener, clock, signal, this.#host.probeEagerMs);
  }

  async #hook(handler: Handler, signal: AbortSignal): Promise<string | undefined> {
    try {
      if (handler.sleep !== undefined) {
        await this.#host.clock.sleep(handler.sleep.seconds * 1000, signal);
        return undefined;
      }
      return await runHandler(handler, this.#host.target, signal);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  /** TERM now, KILL when the time is over. */
  async #killWithin(child: Child, ms: number, over: AbortSignal): Promise<void> {
    child.kill('SIGTERM');
    await this.#host.clock.sleep(ms, over).catch(() => {});
    if (!over.aborted) child.kill('SIGKILL');
  }

  async #backOff(unstarted: boolean): Promise<void> {
    const { clock, restartBackoffMs, maxRestartBackoffMs, podName } = this.#host;
    const attempt = this.#failures++;
    if (attempt === 0 && !unstarted) return this.#remember(); // the first restart is at once
    const ms = Math.min(maxRestartBackoffMs, restartBackoffMs * 2 ** Math.max(0, attempt - 1));
    const { name } = this.container;
    if (!unstarted) {
      const message = `back-off ${duration(ms)} restarting failed container=${name} pod=${podName}`;
      this.#host.event('Warning', 'BackOff', `Back-off restarting failed container ${name} in pod ${podName}`);
      this.#remember();
      this.#set({ waiting: { reason: 'CrashLoopBackOff', message } });
    }
    await clock.sleep(ms, this.#stop.signal).catch(() => {});
  }

  #remember(): void {
    if (this.state.terminated !== undefined) this.lastState = { terminated: this.state.terminated };
  }

  #set(state: ContainerState): void {
    if (state.running !== undefined || state.waiting !== undefined) this.#remember();
    this.state = state;
    this.#host.onChange();
  }

  /**
   * Ends the container for good: preStop hook, TERM, and KILL when `graceMs` are over. May be called again with less
   * time. Returns at once; `run` resolves when it has ended.
   */
  terminate(graceMs: number): void {
    const deadlineMs = this.#host.clock.now() + graceMs;
    if (this.#stopping !== undefined) {
      this.#stopping.deadlineMs = Math.min(this.#stopping.deadlineMs, deadlineMs);
      this.#wakeKiller?.();
      return;
    }
    this.#stopping = { deadlineMs };
    this.#stop.abort();
    if (this.#child !== undefined) void this.#kill(this.#child);
  }

  async #kill(child: Child): Promise<void> {
    const { clock } = this.#host;
    const stopping = this.#stopping;
    if (stopping === undefined) return;
    this.#host.event('Normal', 'Killing', `Stopping container ${this.container.name}`);
    const { preStop } = this.container.lifecycle ?? {};
    const remaining = () => stopping.deadlineMs - clock.now();
    if (preStop !== undefined && remaining() > 0) {
      const over = new AbortController();
      const timer = this.#untilDeadline(child, remaining, over.signal).then(() => over.abort());
      const failure = await this.#hook(preStop, over.signal);
      over.abort();
      await timer;
      if (failure !== undefined) this.#host.event('Warning', 'FailedPreStopHook', `PreStopHook failed: ${failure}`);
    }
    if (this.#child !== child) return;
    if (remaining() > 0) {
      child.kill('SIGTERM');
      await this.#untilDeadline(child, remaining, undefined);
    }
    if (this.#child === child) child.kill('SIGKILL');
  }

  /** Waits for the deadline, which may move nearer meanwhile, or for the child's end. */
  async #untilDeadline(child: Child, remaining: () => number, over: AbortSignal | undefined): Promise<void> {
    while (remaining() > 0 && this.#child === child && over?.aborted !== true) {
      const wake = new AbortController();
      this.#wakeKiller = () => wake.abort();
      const signal = over === undefined ? wake.signal : AbortSignal.any([wake.signal, over]);
      await this.#host.clock.sleep(remaining(), signal).catch(() => {});
    }
  }

  status(): ContainerStatus {
    const { name, image = '' } = this.container;
    const hasRun = this.running || this.state.terminated !== undefined || this.lastState.terminated !== undefined;
    return {
      name,
      state: this.state,
      lastState: this.lastState,
      ready: this.ready,
      restartCount: this.restartCount,
      image,
      imageID: hasRun ? `weft://local-command/${name}` : '',
      started: this.started,
      ...(hasRun ? { containerID: this.#id(name) } : {}),
    };
  }
}
