import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import type { ApiClient } from '../api-client.ts';
import type { Pod } from '../controllers/objects.ts';
import type { Isolation } from './isolation.ts';
import type { Reaper } from './reaper.ts';

export interface RuntimeOptions {
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly isolation: Isolation;
  /** Environment that every container starts from: PATH, HOME, LANG and the like. */
  readonly environment: Readonly<Record<string, string>>;
  /** Where containers without `workingDir` start. */
  readonly workingDirectory: string;
  /** Folder of this run, made by `openRun`; logs, volumes and sockets are in it. */
  readonly run: Run;
  /** Where the API server listens on the machine's loopback; pods get KUBERNETES_SERVICE_HOST and _PORT from it. */
  readonly apiServer: { readonly port: number; readonly caCertificate: string };
  /** Issues service-account tokens, as the TokenRequest API does. */
  token(request: TokenRequest): Promise<{ readonly token: string; readonly expirationTimestamp: string }>;
  /** The sidecar of an injected pod. Without it injected pods run unmeshed, with a warning. */
  readonly sidecar?: (context: SidecarContext) => SidecarCommand | Promise<SidecarCommand>;
  /** Pause before the second restart of a container, doubled up to `maxRestartBackoffMs`. Default as a kubelet: 10 s. */
  readonly restartBackoffMs?: number;
  readonly maxRestartBackoffMs?: number;
}

/** What one run of local mode owns on the machine. */
export interface Run {
  readonly folder: string;
  readonly reaper: Reaper;
  close(): Promise<void>;
}

export interface TokenRequest {
  readonly namespace: string;
  readonly serviceAccount: string;
  /** Empty: the API server's own. */
  readonly audiences: readonly string[];
  readonly expirationSeconds: number;
  readonly pod: { readonly name: string; readonly uid: string };
}

export interface SidecarContext {
  readonly pod: Pod;
  readonly isolation: Isolation['kind'];
  /** `status.podIP`: where the sidecar listens. */
  readonly publishedAddress: string;
  /** Where the app listens; the same as the published one in `netns`. */
  readonly appAddress: string;
  /** Where the machine's loopback is reached from inside the pod. */
  readonly hostAddress: string;
  /** Makes a port of the machine's loopback reachable at `hostAddress`; resolves with that port. */
  reachHost(port: number): Promise<number>;
  /** File with a service-account token of audience `weft`, kept fresh. */
  readonly tokenFile: string;
  /** Folder that is the pod's own and lives as long. */
  readonly stateFolder: string;
  /** Effective user id that the redirection rules exempt; undefined when the sidecar keeps the runtime's user. */
  readonly uid: number | undefined;
}

export interface SidecarCommand {
  readonly command: readonly string[];
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Audience of the token that a sidecar shows to Weft's authority. */
export const SIDECAR_AUDIENCE = 'weft';
/** Name of the sidecar's container, for `kubectl logs -c`. */
export const SIDECAR_NAME = 'weft-proxy';
