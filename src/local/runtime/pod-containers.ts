import type { EventType } from '../controllers/events.ts';
import type { Container, Pod, Probe } from '../controllers/objects.ts';
import { PodStreamError, type ExecOptions, type ExecSession } from '../pod-streams.ts';
import type { ChildSpec } from './child.ts';
import { ContainerRunner, type ContainerHost, type RestartPolicy } from './container.ts';
import { execIn } from './exec.ts';
import { launchContainer, launchSidecar, type Launched, type Launcher } from './launch.ts';
import { SIDECAR_NAME, type RuntimeOptions } from './options.ts';

/** What the containers of a pod need from it. */
export interface PodContext {
  readonly options: RuntimeOptions;
  readonly pod: Pod;
  readonly meshed: boolean;
  /** Undefined until there is a sandbox. */
  launcher(): Launcher | undefined;
  onChange(): void;
  event(type: EventType, reason: string, message: string, fieldPath?: string): void;
}

const ADMIN_PORT = 15020;
/** A sidecar is asked this often until it is ready: its pod waits for it. */
const SIDECAR_EAGER_MS = 100;
const LAST_WORDS_BYTES = 4096;

/** The containers of one pod, and its sidecar, which may be one of them or the runtime's own addition. */
export class PodContainers {
  readonly #context: PodContext;
  readonly #specs = new Map<Container, ChildSpec>();
  readonly init: readonly ContainerRunner[];
  readonly main: readonly ContainerRunner[];
  readonly sidecar: ContainerRunner | undefined;

  constructor(context: PodContext) {
    this.#context = context;
    const { spec } = context.pod;
    const policy = spec.restartPolicy ?? 'Always';
    this.init = (spec.initContainers ?? []).map((c) => this.#runner(c, initPolicy(c, policy), 'spec.initContainers'));
    this.main = spec.containers.map((c) => this.#runner(c, policy, 'spec.containers'));
    const injected = [...this.init, ...this.main].find((r) => context.meshed && r.container.name === SIDECAR_NAME);
    const own = () => this.#runner({ name: SIDECAR_NAME }, 'Always', 'sidecar');
    this.sidecar = injected ?? (context.meshed ? own() : undefined);
  }

  /** All of them, each once. */
  all(): ContainerRunner[] {
    return [...new Set([...this.init, ...this.main, ...(this.sidecar === undefined ? [] : [this.sidecar])])];
  }

  /** The runner of a container by name; the sidecar too. */
  find(name: string): ContainerRunner | undefined {
    return this.all().find((runner) => runner.container.name === name);
  }

  /** Why the sidecar is not ready; undefined when it is, or when there is none. */
  sidecarTrouble(): string | undefined {
    const { sidecar } = this;
    if (sidecar === undefined || sidecar.ready) return undefined;
    const { waiting, terminated } = sidecar.state;
    if (waiting !== undefined) return waiting.message ?? waiting.reason;
    if (terminated !== undefined) return `it ended with exit code ${terminated.exitCode}`;
    return sidecar.notReadyBecause === '' ? 'it is starting' : sidecar.notReadyBecause;
  }

  /** Runs a command beside a container. @throws PodStreamError when it does not run */
  async exec(
    runner: ContainerRunner,
    what: Pick<ExecOptions, 'command' | 'stdin' | 'tty'>,
    signal: AbortSignal,
  ): Promise<ExecSession> {
    const [launcher, spec] = [this.#context.launcher(), this.#specs.get(runner.container)];
    if (launcher === undefined || spec === undefined || !runner.running) {
      throw new PodStreamError('InternalError', `container not running (${runner.container.name})`);
    }
    return execIn(launcher, spec, what, signal);
  }

  #runner(given: Container, policy: RestartPolicy, list: string): ContainerRunner {
    const { pod, meshed } = this.#context;
    const isSidecar = meshed && given.name === SIDECAR_NAME;
    const container = isSidecar ? sidecarContainer(given) : given;
    const { initContainerStatuses = [], containerStatuses = [] } = pod.status ?? {};
    const before = [...initContainerStatuses, ...containerStatuses].find((s) => s.name === given.name);
    let runs = 0;
    const start = (launcher: Launcher) =>
      isSidecar ? launchSidecar(launcher, runs++) : launchContainer(launcher, container, runs++);
    const host = this.#host(container, `${list}{${given.name}}`, isSidecar, start);
    return new ContainerRunner(container, isSidecar ? 'Always' : policy, host, before);
  }

  #host(
    container: Container,
    fieldPath: string,
    isSidecar: boolean,
    start: (launcher: Launcher) => Promise<Launched>,
  ): ContainerHost {
    const { options, pod, onChange } = this.#context;
    const { restartBackoffMs = 10_000, maxRestartBackoffMs = 300_000 } = options;
    return {
      clock: options.clock,
      podName: `${pod.metadata.name}_${pod.metadata.namespace ?? ''}(${pod.metadata.uid ?? ''})`,
      restartBackoffMs: isSidecar ? Math.min(1000, restartBackoffMs) : restartBackoffMs,
      maxRestartBackoffMs: isSidecar ? Math.min(10_000, maxRestartBackoffMs) : maxRestartBackoffMs,
      ...(isSidecar ? { probeEagerMs: SIDECAR_EAGER_MS } : {}),
      gracePeriodSeconds: pod.spec.terminationGracePeriodSeconds ?? 30,
      start: async () => {
        const launched = await start(this.#launcher());
        this.#specs.set(container, launched.spec);
        return launched;
      },
      target: {
        container,
        host: () => {
          const { publishedAddress, appAddress } = this.#launcher().sandbox;
          return isSidecar ? publishedAddress : appAddress;
        },
        connect: (port, host, signal) => {
          const { sandbox } = this.#launcher();
          return sandbox.connect(port, isSidecar ? sandbox.publishedAddress : host, signal);
        },
        exec: (command, signal) => this.#execQuietly(container, command, signal),
      },
      onChange,
      onEnd: ({ code }, log) => {
        const hint = code === 0 ? undefined : this.#launcher().sandbox.explain?.(log.end(LAST_WORDS_BYTES));
        if (hint !== undefined) this.#context.event('Warning', 'AddressInUse', hint, fieldPath);
      },
      event: (type, reason, message) => {
        // while a sidecar starts it is asked far more often than anybody wants to read of
        if (isSidecar && reason === 'Unhealthy' && this.sidecar?.wasReady !== true) return;
        this.#context.event(type, reason, message, fieldPath);
      },
    };
  }

  #launcher(): Launcher {
    const launcher = this.#context.launcher();
    if (launcher === undefined) throw new Error('the pod has no sandbox');
    return launcher;
  }

  /** For probes and hooks: a command's exit code and the beginning of what it said. */
  async #execQuietly(container: Container, command: readonly string[], signal: AbortSignal) {
    const spec = this.#specs.get(container);
    if (spec === undefined) throw new Error('the container does not run');
    const session = await execIn(this.#launcher(), spec, { command, stdin: false, tty: false }, signal);
    let output = '';
    const collect = (chunk: Buffer) => {
      if (output.length < 10_240) output += chunk.toString('utf8');
    };
    session.stdout.on('data', collect);
    session.stderr.on('data', collect);
    return { code: (await session.exit).code, output };
  }
}

function initPolicy(container: Container, policy: RestartPolicy): RestartPolicy {
  if (container.restartPolicy === 'Always') return 'Always';
  return policy === 'Never' ? 'Never' : 'OnFailure';
}

/**
 * A sidecar's probe is always the same. One that is busy and answers late is ready: with its pods taken out of the
 * endpoints for that, a machine under load would refuse requests (503) that it can serve. Until it is ready for the
 * first time it is asked more often (SIDECAR_EAGER_MS).
 */
const SIDECAR_READINESS: Probe = {
  httpGet: { path: '/ready', port: ADMIN_PORT },
  periodSeconds: 2,
  timeoutSeconds: 4,
  failureThreshold: 3,
};

function sidecarContainer(container: Container): Container {
  const { livenessProbe: _l, startupProbe: _s, lifecycle: _c, ...rest } = container;
  return { ...rest, readinessProbe: SIDECAR_READINESS };
}
