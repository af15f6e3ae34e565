import { Command, Option } from 'commander';
import { paragraphs } from './arguments.ts';
import type { PolicyMode } from '../mesh/resources.ts';

export type Isolation = 'auto' | 'netns' | 'process';

export interface LocalOptions {
  /** Where to write the kubeconfig; undefined = inside the mesh's own temporary folder. */
  readonly kubeconfig?: string;
  /** Keeps the API server's objects across restarts; undefined = in memory. */
  readonly dataDir?: string;
  readonly demo: boolean;
  readonly isolation: Isolation;
  readonly policy: PolicyMode;
  readonly logLevel: string;
}

/** `weft local`: a whole mesh on this machine. */
export function localCommand(run: (options: LocalOptions) => Promise<void>): Command {
  return new Command('local')
    .summary('run a whole mesh on this machine, without Kubernetes')
    .description(
      paragraphs(`Runs a whole mesh on this machine: an embedded Kubernetes-style API server, the controller, and pods as local
processes, each with its sidecar. kubectl works on it (the path of the kubeconfig is printed). With the demo (default) it
brings up a small shop with splits and access rules and shows its traffic live.

For development, tests and CI: the embedded API server is not a Kubernetes cluster and must not be used as one.

Ctrl-C stops everything and leaves nothing behind.`),
    )
    .option('--kubeconfig <file>', 'write the kubeconfig here (default: a temporary file, printed)')
    .option('--data-dir <dir>', 'keep the objects of the API server here across restarts (default: in memory)')
    .option('--no-demo', 'start an empty mesh, for your own manifests')
    .addOption(
      new Option(
        '--isolation <how>',
        'how pods are kept apart: netns captures all their traffic, process needs no privileges',
      )
        .choices(['auto', 'netns', 'process'])
        .default('auto'),
    )
    .addOption(
      new Option('--policy <mode>', 'access policy of namespaces without the annotation weft.dev/policy')
        .choices(['deny', 'permissive', 'audit'])
        .default('permissive'),
    )
    .addOption(
      new Option('--log-level <level>', 'least severe log lines to write')
        .choices(['debug', 'info', 'warn', 'error'])
        .default('warn'),
    )
    .addHelpText(
      'after',
      `
Examples:
  $ weft local                                              the demo shop
  $ weft local --kubeconfig kube.yaml --no-demo             an empty mesh
  $ KUBECONFIG=kube.yaml kubectl apply -f my-app.yaml`,
    )
    .action((options: LocalOptions) => run(options));
}
