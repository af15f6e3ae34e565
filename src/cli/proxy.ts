import { Command, Option } from 'commander';
import { hostPort, namespacedName, paragraphs, wholeNumber, type HostPort } from './arguments.ts';

export interface ProxyOptions {
  /** A standalone sidecar: everything comes from this file. */
  readonly config?: string;
  readonly controller?: HostPort;
  /** SPIFFE ID that the controller must present; its trust domain is the mesh's. */
  readonly controllerId: string;
  readonly caFile?: string;
  readonly tokenFile?: string;
  readonly pod?: { readonly namespace: string; readonly pod: string };
  readonly capture: 'redirect' | 'explicit';
  readonly podAddress?: string;
  readonly appAddress?: string;
  readonly stateDir?: string;
  /** Event loops that share the listening ports. */
  readonly concurrency: number;
  readonly logLevel: string;
}

/** `weft proxy`: the sidecar. */
export function proxyCommand(run: (options: ProxyOptions) => Promise<void>): Command {
  return new Command('proxy')
    .summary('run a sidecar: from a file, or connected to a controller')
    .description(
      paragraphs(`Runs one sidecar. With --config FILE it stands alone (benchmarks, bug reports; docs/proxy-config.md has the format).
Otherwise it gets identity and configuration from the controller and keeps its last good state on disk.`),
    )
    .option('--config <file>', 'stand alone with the listeners, certificates and routes of this JSON file')
    .option('--controller <host:port>', 'where the controller listens', hostPort)
    .option(
      '--controller-id <spiffe id>',
      'who the controller must prove to be',
      'spiffe://cluster.local/ns/weft-system/sa/weft-controller',
    )
    .option('--ca-file <file>', "PEM roots that the controller's certificate must lead to")
    .option('--token-file <file>', 'service-account token with the audience `weft`')
    .option('--pod <namespace/name>', 'the pod that this sidecar stands beside', namespacedName)
    .addOption(
      new Option(
        '--capture <how>',
        "how the app's traffic gets here: redirected by the kernel, or by proxy settings of the app",
      )
        .choices(['redirect', 'explicit'])
        .default('redirect'),
    )
    .option('--pod-address <ip>', 'address that the sidecar listens on and that others dial')
    .option('--app-address <ip>', "address of the app, when it is not the pod's own")
    .option('--concurrency <n>', 'event loops (threads) that share the listening ports', wholeNumber(1), 1)
    .option('--state-dir <dir>', 'keep the last good configuration here')
    .addOption(
      new Option('--log-level <level>', 'least severe log lines to write')
        .choices(['debug', 'info', 'warn', 'error'])
        .default('warn'),
    )
    .action((options: ProxyOptions, command: Command) => {
      const missing =
        options.config === undefined
          ? (['controller', 'caFile', 'tokenFile', 'pod', 'podAddress'] as const).filter(
              (o) => options[o] === undefined,
            )
          : [];
      if (missing.length > 0) {
        const flags = missing.map((name) => `--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`);
        command.error(`error: give --config FILE for a standalone sidecar, or also: ${flags.join(' ')}`);
      }
      return run(options);
    });
}
