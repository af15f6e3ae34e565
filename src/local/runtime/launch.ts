import { mkdirSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import type { Container, Pod } from '../controllers/objects.ts';
import { carryingOddNames, startChild, type Child, type ChildSpec } from './child.ts';
import { ContainerConfigError } from './config-error.ts';
import { environmentOf, expand } from './environment.ts';
import { findExecutable } from './executable.ts';
import type { Sandbox } from './isolation.ts';
import { LogFile } from './log-file.ts';
import { SIDECAR_NAME, type RuntimeOptions, type SidecarContext } from './options.ts';
import type { PodVolumes } from './volumes.ts';

/** Environment variable by which a pod's processes are found. */
export const POD_MARK = 'WEFT_POD_UID';

export interface Launcher {
  readonly options: RuntimeOptions;
  readonly pod: Pod;
  readonly folder: string;
  readonly sandbox: Sandbox;
  readonly volumes: PodVolumes;
}

export interface Launched {
  readonly child: Child;
  readonly log: LogFile;
  /** How `kubectl exec` joins it. */
  readonly spec: ChildSpec;
}

/** Starts one run of a container. @throws ContainerConfigError */
export async function launchContainer(launcher: Launcher, container: Container, run: number): Promise<Launched> {
  const spec = await containerSpec(launcher, container);
  return launch(launcher, container.name, spec, run, 'app');
}

/** What a container runs, before it enters the sandbox. */
async function containerSpec({ options, pod, sandbox, volumes }: Launcher, container: Container): Promise<ChildSpec> {
  const addresses = { app: sandbox.appAddress, host: sandbox.hostAddress };
  const apiPort = await sandbox.reachHost(options.apiServer.port);
  const base = {
    ...options.environment,
    HOSTNAME: pod.spec.hostname ?? pod.metadata.name,
    KUBERNETES_SERVICE_HOST: sandbox.hostAddress,
    KUBERNETES_SERVICE_PORT: String(apiPort),
    KUBERNETES_SERVICE_PORT_HTTPS: String(apiPort),
    ...sandbox.environment,
    ...volumes.environment,
  };
  const env = environmentOf({ client: options.client, pod, container, addresses, base });
  env[POD_MARK] = pod.metadata.uid ?? '';
  const words = [...(container.command ?? []), ...(container.args ?? [])].map((word) => expand(word, env));
  const [command] = words;
  if (command === undefined || (container.command ?? []).length === 0) {
    const message =
      `container "${container.name}" has no command; in local mode containers are commands of this machine and ` +
      `images are not run: set spec.containers[].command`;
    throw new ContainerConfigError(message, 'CreateContainerError');
  }
  const { workingDir } = container;
  const cwd = workingDir === undefined ? options.workingDirectory : resolve(options.workingDirectory, workingDir);
  return { argv: words, env, cwd, stdin: container.stdin === true };
}

/** The same command line with the path of its executable. @throws ContainerConfigError when there is none */
export function resolved(spec: ChildSpec): ChildSpec {
  const [command = '', ...args] = spec.argv;
  try {
    return { ...spec, argv: [findExecutable(command, spec.env['PATH'] ?? '', spec.cwd), ...args] };
  } catch (error) {
    throw new ContainerConfigError((error as Error).message, 'CreateContainerError');
  }
}

async function launch(
  { options, folder, sandbox }: Launcher,
  name: string,
  spec: ChildSpec,
  run: number,
  who: 'app' | 'sidecar',
): Promise<Launched> {
  const { argv } = carryingOddNames(resolved(spec));
  const entered = { ...spec, argv: await sandbox.enter(argv, who, spec.cwd) };
  mkdirSync(join(folder, 'logs'), { recursive: true });
  const child = await startChild(entered, options.run.reaper, options.run.folder).catch((error: unknown) => {
    throw new ContainerConfigError((error as Error).message, 'CreateContainerError');
  });
  // two runs of logs are kept, as a kubelet does: the present and the previous
  const log = new LogFile(join(folder, 'logs', `${name}.${run % 2}`), () => options.clock.now());
  for (const stream of [child.stdout, child.stderr]) {
    const writer = log.writer();
    stream.on('data', (chunk: Buffer) => writer.write(chunk));
    stream.on('end', () => writer.end());
    stream.on('close', () => writer.end());
  }
  return { child, log, spec };
}

/** Starts one run of a pod's sidecar. @throws ContainerConfigError */
export async function launchSidecar(launcher: Launcher, run: number): Promise<Launched> {
  const { options, pod, sandbox, folder, volumes } = launcher;
  const stateFolder = join(folder, 'sidecar');
  mkdirSync(stateFolder, { recursive: true, mode: 0o770 });
  const context: SidecarContext = {
    pod,
    isolation: options.isolation.kind,
    publishedAddress: sandbox.publishedAddress,
    appAddress: sandbox.appAddress,
    hostAddress: sandbox.hostAddress,
    reachHost: (port) => sandbox.reachHost(port),
    tokenFile: volumes.sidecarTokenFile,
    stateFolder,
    uid: sandbox.sidecarUid,
  };
  const made = await options.sidecar?.(context);
  if (made === undefined) throw new ContainerConfigError('no sidecar is configured', 'CreateContainerError');
  const [command = '', ...rest] = made.command;
  const env: Record<string, string> = {
    ...options.environment,
    HOSTNAME: pod.metadata.name,
    ...made.env,
    [POD_MARK]: pod.metadata.uid ?? '',
  };
  const path = isAbsolute(command) ? command : findExecutable(command, env['PATH'] ?? '', options.workingDirectory);
  const argv = [path, ...rest, ...(made.args ?? [])];
  const spec = { argv, env, cwd: options.workingDirectory, stdin: false };
  return launch(launcher, SIDECAR_NAME, spec, run, 'sidecar');
}
