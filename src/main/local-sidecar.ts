import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { SIDECAR_FLAGS } from './sidecar-flags.ts';
import { LOADING_FLAGS } from './start-up.ts';
import type { SidecarCommand, SidecarContext } from '../local/runtime/options.ts';

/** The executable, as a file of this checkout or image. */
export const WEFT = fileURLToPath(new URL('./weft.cjs', import.meta.url)).replace('/dist/src/main/', '/src/main/');

/**
 * Fills the compile cache of the sidecars by loading their code once. A sidecar that has to compile by itself stays
 * 30 MB larger for all its life (measured: 102 MB against 71 MB), and the first pods all start at once.
 * Resolves in any case: sidecars start without it too.
 */
export function warmSidecars(): Promise<void> {
  const cache = fileURLToPath(new URL('../../node_modules/.cache/weft-compile', new URL(`file://${WEFT}`)));
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.')); // .js in an image
  const sources = ['start-up', 'weft', 'proxy'].map((name) => new URL(`./${name}${extension}`, import.meta.url).href);
  const script = `const { enableCompileCache, flushCompileCache } = require('node:module');
    ${JSON.stringify(LOADING_FLAGS)}.forEach(require('node:v8').setFlagsFromString);
    enableCompileCache(${JSON.stringify(cache)});
    Promise.all(${JSON.stringify(sources)}.map((source) => import(source)))
      .then(([{ loaded }, , proxy]) => loaded(proxy).controlPlaneClient())
      .then(() => ['pino', 're2js'].forEach(require('node:module').createRequire(${JSON.stringify(sources[0])}))) // loaded when they are needed
      .then(flushCompileCache);`;
  return new Promise((resolve) => {
    execFile(process.execPath, [...SIDECAR_FLAGS, '-e', script], { timeout: 30_000, env: {} }, () => resolve());
  });
}

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
    command: [process.execPath, ...SIDECAR_FLAGS, WEFT],
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
