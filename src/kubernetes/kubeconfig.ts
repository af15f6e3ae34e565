import { KubeConfig } from '@kubernetes/client-node';
import type { Connection } from './api.ts';

/** Where a kubeconfig, or a pod's service account, leads to. */
export type KubeconfigAccess = { readonly kubeconfigPath: string } | { readonly kubeconfigText: string } | InCluster;

/** As a pod of the cluster, with what its kubelet mounts. */
interface InCluster {
  readonly inCluster: true;
}

/** @throws when it cannot be read, or leads nowhere; nothing is connected yet */
export function readKubeconfig(access: KubeconfigAccess): Connection & { readonly namespace: string } {
  const config = loadConfig(access);
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw new Error(`${nameOf(access)} names no cluster: set its current-context`);
  if (!URL.canParse(cluster.server)) {
    const fix = 'inCluster' in access ? 'outside of a cluster give a kubeconfig' : 'correct clusters[].cluster.server';
    throw new Error(`${nameOf(access)} leads to no API server (${cluster.server}): ${fix}`);
  }
  return {
    server: cluster.server,
    namespace: config.getContextObject(config.getCurrentContext())?.namespace ?? 'default',
    authenticate: (options) => config.applyToHTTPSOptions(options),
    hasProxy: cluster.proxyUrl !== undefined,
  };
}

function loadConfig(access: KubeconfigAccess): KubeConfig {
  const config = new KubeConfig();
  try {
    if ('kubeconfigPath' in access) config.loadFromFile(access.kubeconfigPath);
    else if ('kubeconfigText' in access) config.loadFromString(access.kubeconfigText);
    else config.loadFromCluster();
  } catch (error) {
    throw new Error(`${nameOf(access)} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  return config;
}

function nameOf(access: KubeconfigAccess): string {
  if ('kubeconfigPath' in access) return `the kubeconfig ${access.kubeconfigPath}`;
  return 'inCluster' in access ? "the pod's service account" : 'the given kubeconfig';
}
