import { type Connection, type KubernetesApi, kubernetesApi } from './api.ts';
import type { KubeconfigAccess } from './kubeconfig.ts';
import { type FindPod, podFinder } from './pods.ts';
import { type RequestToken, type ReviewToken, tokenRequester, tokenReviewer } from './tokens.ts';

/** Where the API server is and who we are there. */
export type KubernetesAccess = KubeconfigAccess | TokenAccess;

/** An API server that is known without a kubeconfig: the one of this process. */
export interface TokenAccess {
  readonly server: string;
  /** PEM. */
  readonly ca: string;
  readonly token: string;
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

/** Rejects when the kubeconfig cannot be read; nothing is connected yet. */
export async function kubernetesClient(access: KubernetesAccess): Promise<KubernetesClient> {
  const connection = 'token' in access ? withToken(access) : await withKubeconfig(access);
  const api = kubernetesApi({ connection });
  return {
    server: connection.server,
    namespace: connection.namespace,
    api,
    reviewToken: tokenReviewer(api),
    requestToken: tokenRequester(api),
    pod: podFinder(api),
    close: () => api.close(),
  };
}

type Place = Connection & { readonly namespace: string };

function withToken({ server, ca, token }: TokenAccess): Place {
  return {
    server,
    namespace: 'default',
    hasProxy: false,
    async authenticate(options) {
      options.ca = ca;
      options.headers = { ...options.headers, authorization: `Bearer ${token}` };
    },
  };
}

/** client-node is 2,700 modules, which take most of a second to load: only who has a kubeconfig pays for it. */
async function withKubeconfig(access: KubeconfigAccess): Promise<Place> {
  const { readKubeconfig } = await import('./kubeconfig.ts');
  return readKubeconfig(access);
}
