import { Command, Option } from 'commander';
import { paragraphs, wholeNumber } from './arguments.ts';
import type { Isolation } from './local.ts';

export interface ConformanceOptions {
  readonly kubeconfig?: string;
  /** Start a mesh on this machine and judge that. */
  readonly local: boolean;
  readonly isolation: Isolation;
  readonly capabilities?: string;
  readonly image?: string;
  readonly filter?: string;
  readonly junit?: string;
  readonly yaml?: string;
  readonly html?: string;
  readonly parallel: number;
  /** How long a settled result is watched; undefined = what the capability file says. */
  readonly stable?: number;
  readonly list: boolean;
}

/** `weft conformance`: judges a mesh by what its traffic does. */
export function conformanceCommand(run: (options: ConformanceOptions) => Promise<void>): Command {
  return new Command('conformance')
    .summary('run the SMI conformance suite against any mesh')
    .description(
      paragraphs(`Applies SMI objects, sends real traffic between test pods, and judges what happened. Works on every mesh that is
described by a capability file (conformance/capabilities/). Exits with 1 when a check failed.`),
    )
    .option('--kubeconfig <file>', 'the cluster to judge')
    .option('--local', 'start a mesh on this machine and judge that')
    .addOption(new Option('--isolation <how>', 'with --local').choices(['auto', 'netns', 'process']).default('auto'))
    .option('--capabilities <file>', "what the mesh claims and how its modes are switched (default: Weft's own file)")
    .option('--image <name>', 'image of the test pods on a cluster')
    .option('--filter <text>', 'only cases whose id, group or title contains this (several: with commas between)')
    .option('--junit <file>', 'write a JUnit XML report')
    .option('--yaml <file>', 'write a YAML report with the evidence of every case')
    .option('--html <file>', 'write a page to look at, which needs nothing but itself')
    .option('--parallel <n>', 'cases at once', wholeNumber(1), 8)
    .option(
      '--stable <seconds>',
      'watch each settled result this long (default: what the capability file says)',
      wholeNumber(0),
    )
    .option('--list', 'list the cases and exit')
    .action(({ local = false, list = false, ...options }: Partial<ConformanceOptions>) =>
      run({ ...options, local, list } as ConformanceOptions),
    );
}
