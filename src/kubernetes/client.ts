import { KubeConfig } from '@kubernetes/client-node';
import { type KubernetesApi, kubernetesApi } from './api.ts';
import { type FindPod, podFinder } from './pods.ts';
import { type RequestToken, type ReviewToken, tokenRequester, tokenReviewer } from './tokens.ts';

/** Where the API server is and who we are there. */
export type KubernetesAccess = { readonly kubeconfigPath: string } | { readonly kubeconfigText: string } | InCluster;

/** As a pod of the cluster, with what its kubelet mounts. */
interface InCluster {
  readonly inCluster: true;
}

/** What the rest of Weft needs of a cluster. The parts with a life of their own are made from `api`. */
export interface KubernetesClient {
  /** `https://127.0.0.1:6443` */
  readonly server: string;
  /** The namespace of the current context; `default` when it names none. */
  readonly namespace: string;
  readonly api: KubernetesApi;
  readonly reviewToken: ReviewToken;
  readonly requestToken: RequestToken;
  readonly pod: FindPod;
  close(): void;
}

/** @throws when the kubeconfig cannot be read; nothing is connected yet */
export function kubernetesClient(access: KubernetesAccess): KubernetesClient {
  const config = loadConfig(access);
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw new Error(`${nameOf(access)} names no cluster: set its current-context`);
  if (!URL.canParse(cluster.server)) {
    const fix = 'inCluster' in access ? 'outside of a cluster give a kubeconfig' : 'correct clusters[].cluster.server';
    throw new Error(`${nameOf(access)} leads to no API server (${cluster.server}): ${fix}`);
  }
  const api = kubernetesApi({ config });
  return {
    server: cluster.server,
    namespace: config.getContextObject(config.getCurrentContext())?.namespace ?? 'default',
    api,
    reviewToken: tokenReviewer(api),
    requestToken: tokenRequester(api),
    pod: podFinder(api),
    close: () => api.close(),
  };
}

function loadConfig(access: KubernetesAccess): KubeConfig {
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

function nameOf(access: KubernetesAccess): string {
  if ('kubeconfigPath' in access) return `the kubeconfig ${access.kubeconfigPath}`;
  return 'inCluster' in access ? "the pod's service account" : 'the given kubeconfig';
}
