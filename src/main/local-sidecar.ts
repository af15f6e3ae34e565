import { fileURLToPath } from 'node:url';
import type { SidecarCommand, SidecarContext } from '../local/runtime/options.ts';

/** The executable, as a file of this checkout or image. */
export const WEFT = fileURLToPath(new URL('./weft.cjs', import.meta.url)).replace('/dist/src/main/', '/src/main/');

export interface SidecarOptions {
  /** Where the controller listens on the machine's loopback. */
  readonly controllerPort: number;
  /** File with the mesh's trust bundle. */
  readonly bundleFile: string;
  readonly logLevel: string;
}

/** The command line of one pod's sidecar. It takes nothing from the pod's environment (NODE_OPTIONS above all). */
export async function sidecarCommand(context: SidecarContext, options: SidecarOptions): Promise<SidecarCommand> {
  const { metadata } = context.pod;
  const controllerPort = await context.reachHost(options.controllerPort);
  return {
    command: [process.execPath, '--disable-sigusr1', '--max-semi-space-size=16', WEFT],
    args: [
      'proxy',
      `--controller=${context.hostAddress}:${controllerPort}`,
      `--ca-file=${options.bundleFile}`,
      `--token-file=${context.tokenFile}`,
      `--pod=${metadata.namespace}/${metadata.name}`,
      `--capture=${context.isolation === 'netns' ? 'redirect' : 'explicit'}`,
      `--pod-address=${context.publishedAddress}`,
      ...(context.appAddress === context.publishedAddress ? [] : [`--app-address=${context.appAddress}`]),
      `--state-dir=${context.stateFolder}`,
      `--log-level=${options.logLevel}`,
    ],
    env: { PATH: '/usr/bin:/bin', HOME: context.stateFolder },
  };
}
