import type { Duplex } from 'node:stream';
import type { Pod } from '../controllers/objects.ts';

/** How pods are kept apart on one machine. */
export interface Isolation {
  readonly kind: 'process' | 'netns';
  /** Prepares a place for a pod's processes: addresses, and in `netns` a network and mount namespace. */
  open(request: SandboxRequest): Promise<Sandbox>;
  close(): Promise<void>;
}

export interface SandboxRequest {
  readonly pod: Pod;
  readonly meshed: boolean;
  /** The pod's own folder, which exists. */
  readonly folder: string;
}

/** A folder of the machine that containers expect at a path of theirs. */
export interface Mount {
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}

export interface Sandbox {
  /** `status.podIP`. */
  readonly publishedAddress: string;
  /** What the app is told and listens on. */
  readonly appAddress: string;
  /** Where the machine's loopback is reached from inside. */
  readonly hostAddress: string;
  /** Environment of everything but the sidecar. */
  readonly environment: Readonly<Record<string, string>>;
  /** User id of the sidecar, when it must be another than the app's. */
  readonly sidecarUid: number | undefined;
  /** Makes folders visible where containers expect them, as far as the isolation can. Once, before the first command. */
  mount(mounts: readonly Mount[]): Promise<void>;
  reachHost(port: number): Promise<number>;
  /** The command line that runs `argv` in the sandbox; `argv[0]` is an executable's path. */
  enter(argv: readonly string[], who: 'app' | 'sidecar', cwd: string): Promise<readonly string[]>;
  /** A connection to an address of the pod, as kubelets make them for probes. `host` defaults to the pod's own. */
  connect(port: number, host: string | undefined, signal: AbortSignal): Promise<Duplex>;
  /** A connection to a port of the pod past the sidecar's rules, or to the sidecar's admin port: `kubectl port-forward`. */
  forward(port: number, signal: AbortSignal): Promise<Duplex>;
  /** A hint for a pod whose app, in these process groups, does not do what the isolation needs; called a few times after it became ready. */
  advise?(groups: readonly number[]): string | undefined;
  /** A hint for a container that failed, from the end of what it wrote. */
  explain?(lastWords: string): string | undefined;
  /** Leaves nothing behind. */
  close(): Promise<void>;
}
