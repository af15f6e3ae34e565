import { Command, Option } from 'commander';
import type { PolicyMode } from '../mesh/resources.ts';
import { hostPort, paragraphs, type HostPort } from './arguments.ts';

export interface ControllerOptions {
  /** Undefined = in-cluster configuration (service account of the pod). */
  readonly kubeconfig?: string;
  readonly listen: HostPort;
  readonly admin: HostPort;
  readonly trustDomain: string;
  readonly clusterDomain: string;
  readonly policy: PolicyMode;
  readonly namespace: string;
  /** File that the trust bundle is written to, for proxies that start on this machine. */
  readonly bundleFile?: string;
  /** Where the API server's webhook calls arrive. */
  readonly webhookListen: HostPort;
  /** Service of `namespace` by which it finds them, at port 443. */
  readonly webhookService: string;
  /** Instead of the Service, for a controller outside of the cluster: `https://host:port`. */
  readonly webhookUrl?: string;
  readonly logLevel: string;
}

/** `weft controller`: turns SMI and Kubernetes objects into configuration for the proxies. */
export function controllerCommand(run: (options: ControllerOptions) => Promise<void>): Command {
  return new Command('controller')
    .summary('run the control plane against a Kubernetes API')
    .description(
      paragraphs(`Watches SMI and Kubernetes objects, compiles them into configuration, serves it to the proxies over mutual TLS, signs
their certificates, and writes status and events. Several replicas may run; one of them, elected by a Lease, writes.`),
    )
    .option('--kubeconfig <file>', 'how to reach the Kubernetes API (default: the service account of the pod)')
    .addOption(listener('--listen <host:port>', 'where proxies connect', '0.0.0.0:15010'))
    .addOption(listener('--admin <host:port>', 'readiness, metrics and configuration dumps', '127.0.0.1:15020'))
    .option('--trust-domain <name>', 'trust domain of the SPIFFE IDs', 'cluster.local')
    .option('--cluster-domain <name>', 'DNS domain of the cluster', 'cluster.local')
    .option('--namespace <name>', 'namespace of the control plane: root key and Lease live there', 'weft-system')
    .addOption(
      new Option('--policy <mode>', 'access policy of namespaces without the annotation weft.dev/policy')
        .choices(['deny', 'permissive', 'audit'])
        .default('permissive'),
    )
    .addOption(
      listener('--webhook-listen <host:port>', 'where the API server asks to convert and admit', '0.0.0.0:15017'),
    )
    .option('--webhook-service <name>', 'Service of --namespace that leads there, at port 443', 'weft-webhooks')
    .option('--webhook-url <url>', 'https://host:port instead of the Service, for a controller outside of the cluster')
    .option('--bundle-file <file>', 'also write the trust bundle (PEM) to this file')
    .addOption(
      new Option('--log-level <level>', 'least severe log lines to write')
        .choices(['debug', 'info', 'warn', 'error'])
        .default('info'),
    )
    .action((options: ControllerOptions) => run(options));
}

function listener(flags: string, description: string, address: string): Option {
  return new Option(flags, description).argParser(hostPort).default(hostPort(address), address);
}
